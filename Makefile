# SPDX-License-Identifier: GPL-2.0
#
# "make help" lists the targets. What kbuild reads is Kbuild, not this file.

# What the user sets. The first may be exported once and for all. The others are said
# of a single run, on the command line: a CONFIG in the environment was meant for somebody else.
lasting := KDIR KERNEL KERNEL_SRC LLVM RUSTC BINDGEN V GDB_PORT
single := SMP MEM BOOT LIMIT SEED TESTS MINUTES JUNIT SUITE SCRIPT COMMAND MODULE SHARE OUT NAME DIR CONFIG PRUNE
$(foreach v,$(single),$(if $(filter environment,$(firstword $(origin $v))),$(eval override $v :=)))

# It reaches the recipes through the environment, as it was given: make does not expand
# it, and no shell takes it for a part of a command.
$(foreach v,$(lasting) $(single),$(if $(value $v),$(eval override $v := $$(value $v))))
ifeq ($(KERNEL),)
override KERNEL := fast
endif
ifeq ($(KDIR),)
override KDIR := /lib/modules/$(shell uname -r)/build
endif
export $(lasting) $(single)

override SHELL := /bin/sh
override .SHELLFLAGS := -c
override guest = --kernel "$$KERNEL" $${SMP:+--smp "$$SMP"} $${MEM:+--mem "$$MEM"}
override prepare = scripts/prepare.sh "$$KERNEL"
# What else is started, in the environment that a script gets.
override run = scripts/run.sh
# A module of one's own in the guest, and what builds it.
override own = $${MODULE:+--module "$$MODULE"}
override build_own = $(if $(MODULE),scripts/build-module.sh "$$KERNEL" "$$MODULE" "$$MODULE/build/$$KERNEL")

ifneq ($(CONFIG),)
# The kernel has a name of its own then, by which the goals find it.
$(or $(MAKECMDGOALS),modules): configured ;
configured:
	@name=$$(scripts/kernel-options.sh --name "$$KERNEL") && \
		$(MAKE) --no-print-directory $(MAKECMDGOALS) KERNEL="$$name" CONFIG=
.PHONY: configured $(MAKECMDGOALS)
else

modules:
	@scripts/check-kdir.sh "$$KDIR"
	@scripts/build-module.sh "$$(realpath -s -- "$$KDIR")/" . build/kdir
	@echo "built build/kdir/rust_kthread_demo.ko"

modules_install: modules
	@scripts/build-module.sh "$$(realpath -s -- "$$KDIR")/" . build/kdir modules_install

demo:
	@$(prepare) qemu/vm.py $(guest) --script qemu/tour.sh

test:
	@$(prepare) qemu/test.py $(guest) $${TESTS:+--tests "$$TESTS"}

test-all:
	@scripts/test-all.sh

soak:
	@case "$$MINUTES" in '' | 0* | *[!0-9]* | ??????*) \
		echo "usage: make soak MINUTES=N (N is a number of minutes, not '$$MINUTES')" >&2; exit 2 ;; \
	esac
	@$(prepare) qemu/test.py $(guest) --soak "$$MINUTES"

bench:
	@scripts/setup.sh --bench "$$KERNEL"
	@$(prepare) bench/run.py --kernel "$$KERNEL" $${SEED:+--seed "$$SEED"}

vm:
	@[ -f "$$SCRIPT" ] || { echo "usage: make vm SCRIPT=FILE (there is no file '$$SCRIPT')" >&2; exit 2; }
	@$(prepare) $(build_own)
	@$(run) qemu/vm.py $(guest) $(own) $(if $(MODULE),--fail-on-splat) --script "$$SCRIPT"

trace:
	@scripts/setup.sh --trace "$$KERNEL"
	@$(prepare) scripts/trace.sh "$$KERNEL" build/trace

compare:
	@$(prepare) scripts/compare.sh "$$KERNEL" build/compare

shell:
	@$(prepare) $(build_own)
	@$(run) qemu/vm.py $(guest) $(own) --shell

gdb:
	@$(prepare) $(build_own)
	@$(run) qemu/vm.py $(guest) $(own) --gdb

new-module:
	@scripts/new-module.sh "$$NAME" "$${DIR:-..}"
	@$(MAKE) --no-print-directory -C "$${DIR:-..}/$$NAME" test

doctor:
	@scripts/doctor.sh "$$KDIR"

lint:
	@scripts/setup.sh --lint "$$KERNEL"
	@$(prepare) scripts/lint.sh "$$KERNEL"

rust-analyzer:
	@$(prepare) scripts/rust-analyzer.sh "$$KERNEL"

rustdoc:
	@$(prepare) scripts/rustdoc.sh "$$KERNEL"

clean:
	rm -rf build rust-project.json

cache:
	@scripts/cache.sh $${PRUNE:+"$$PRUNE"}

help:
	@scripts/help.sh

.PHONY: modules modules_install demo trace compare test test-all soak vm shell \
	gdb new-module doctor lint bench rust-analyzer rustdoc clean cache help
endif
