# SPDX-License-Identifier: GPL-2.0
#
# "make help" lists the targets. What kbuild reads is Kbuild, not this file.

KERNEL ?= fast
ifndef KDIR
KDIR := /lib/modules/$(shell uname -r)/build
endif

# These may be exported once and for all. What is said of a single run counts on the
# command line alone: a CONFIG or an OUT in the environment was meant for others.
anywhere = KERNEL KERNEL_SRC KDIR LLVM RUSTC BINDGEN V GDB_PORT
once = CONFIG PRUNE SMP MEM BOOT LIMIT SEED TESTS MINUTES JUNIT SUITE \
	SCRIPT COMMAND MODULE SHARE OUT NAME DIR

# A recipe takes a variable from its environment, never as text of its own: so a quote
# or a dollar sign in a path stays what it is.
override define variable
ifneq ($(filter command environment,$(firstword $(origin $1))),)
override $1 := $$(value $1)
endif
export $1
endef
override define variable_of_command_line
ifneq ($(filter command,$(firstword $(origin $1))),)
override $1 := $$(value $1)
else ifneq ($(filter environment,$(firstword $(origin $1))),)
override $1 :=
endif
export $1
endef
$(foreach name,$(anywhere),$(eval $(call variable,$(name))))
$(foreach name,$(once),$(eval $(call variable_of_command_line,$(name))))

override SHELL := /bin/sh
override .SHELLFLAGS := -c

# Every program of the lab is started by one of these scripts.
override guest = --kernel "$$KERNEL" $${SMP:+--smp "$$SMP"} $${MEM:+--mem "$$MEM"}
override prepare = scripts/prepare.sh "$$KERNEL"
override run = scripts/run.sh
# A module of one's own in the guest, and what builds it.
override own = $${MODULE:+--module "$$MODULE"}
override build_own = $${MODULE:+scripts/build-module.sh "$$KERNEL" "$$MODULE" "$$MODULE/build/$$KERNEL"}

modules:
	@scripts/check-kdir.sh "$$KDIR"
	@scripts/build-module.sh "$$KDIR/" . build/kdir
	@echo "built build/kdir/rust_kthread_demo.ko"

modules_install: modules
	@scripts/build-module.sh "$$KDIR/" . build/kdir modules_install

demo:
	@$(prepare) qemu/vm.py $(guest) --script qemu/tour.sh

test:
	@$(prepare) qemu/test.py $(guest) $${TESTS:+--tests "$$TESTS"}

test-all:
	@scripts/test-all.sh

soak:
	@case $$MINUTES in '' | 0* | *[!0-9]* | ??????*) \
		echo "usage: make soak MINUTES=N (N is a number of minutes, not '$$MINUTES')" >&2; exit 2 ;; \
	esac
	@$(prepare) qemu/test.py $(guest) --soak "$$MINUTES"

bench:
	@scripts/setup.sh --bench "$$KERNEL"
	@$(prepare) bench/run.py --kernel "$$KERNEL" $${SEED:+--seed "$$SEED"}

vm:
	@[ -f "$$SCRIPT" ] || { echo "usage: make vm SCRIPT=FILE (there is no file '$$SCRIPT')" >&2; exit 2; }
	@$(prepare) $(build_own)
	@$(run) qemu/vm.py $(guest) $(own) $${MODULE:+--fail-on-splat} --script "$$SCRIPT"

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

help:
	@scripts/help.sh

.PHONY: modules modules_install demo trace compare test test-all soak vm shell \
	gdb new-module doctor lint bench rust-analyzer rustdoc clean help
