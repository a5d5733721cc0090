# SPDX-License-Identifier: GPL-2.0
#
# "make help" lists the targets. kbuild reads Kbuild, not this file.

# The variables and goals of the command line, for options.sh to check.
export LAB_GIVEN := $(foreach v,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $v))),$v))
export LAB_GOALS := $(MAKECMDGOALS)

# The user's variables. The first group may also be exported. The second group only counts on
# the command line: a CONFIG in the environment is meant for another program.
lasting := KDIR KERNEL KERNEL_SRC LLVM RUSTC BINDGEN LIBCLANG_PATH V GDB_PORT QEMU_ACCEL
single := ARCH SMP MEM BOOT LIMIT SEED TESTS MINUTES JUNIT SUITE WITH SCRIPT COMMAND MODULE SHARE \
	SHARE_RW OUT NAME DIR CONFIG PRUNE SYMBOLS BUILDS BUG MUTANT SAMPLE
$(foreach v,$(single),$(if $(filter environment,$(firstword $(origin $v))),$(eval override $v :=)))

# The values reach the recipes unchanged through the environment: make does not expand them,
# and no shell executes them.
$(foreach v,$(lasting) $(single),$(if $(value $v),$(eval override $v := $$(value $v))))
ifeq ($(KERNEL),)
override KERNEL := fast
endif
# The name of a kernel for a foreign architecture includes the architecture.
export LAB_ARCH := $(ARCH)
ifneq ($(ARCH),)
ifeq ($(findstring +,$(KERNEL))$(filter $(ARCH),$(basename $(notdir $(shell grep -lx "MACHINE=$$(uname -m)" qemu/arch/*.conf)))),)
override KERNEL := $(KERNEL)@$(ARCH)
endif
endif
ifeq ($(KDIR),)
override KDIR := /lib/modules/$(shell uname -r)/build
endif
export $(lasting) $(single)

override SHELL := /bin/sh
override .SHELLFLAGS := -c
override check = @scripts/options.sh $@
override guest = --kernel "$$KERNEL" $${SMP:+--smp "$$SMP"} $${MEM:+--mem "$$MEM"} $${BOOT:+--boot "$$BOOT"}
override share = $${SHARE:+--share "$$SHARE"} $(if $(filter-out 0,$(SHARE_RW)),--share-rw)
override job = $${SCRIPT:+--script "$$SCRIPT"} $${COMMAND:+--command "$$COMMAND"}
override junit = $${JUNIT:+--junit "$$JUNIT"}
override prepare = scripts/prepare.sh "$$KERNEL"
# Runs a program in the environment of a script.
override run = scripts/run.sh
# The user's module in the guest, and its build.
override own = $${MODULE:+--module "$$MODULE"}
override build_own = $(if $(MODULE),scripts/build-module.sh "$$KERNEL" "$$MODULE" "$$MODULE/build/$$KERNEL")

ifneq ($(if $(findstring +,$(KERNEL))$(filter test-all,$(MAKECMDGOALS)),,$(CONFIG)$(SHARE)),)
# The kernel then has another name, which the goals need.
$(or $(MAKECMDGOALS),modules): configured ;
configured:
	@name=$$(scripts/kernel-options.sh --name "$$KERNEL") && \
		$(MAKE) --no-print-directory $$LAB_GOALS KERNEL="$$name"
.PHONY: configured $(MAKECMDGOALS)
else

# These are options of new-module, not of the make that it starts.
MAKEOVERRIDES := $(filter-out NAME=% DIR=%,$(MAKEOVERRIDES))

modules:
	$(check)
	@scripts/check-kdir.sh "$$KDIR"
	@scripts/build-module.sh "$$(realpath -ms -- "$$KDIR")/" "$${MODULE:-.}" "$${MODULE:-.}/build/kdir"
	@cd "$${MODULE:-.}" && echo built build/kdir/*.ko

modules_install: modules
	$(check)
	@scripts/build-module.sh "$$(realpath -ms -- "$$KDIR")/" "$${MODULE:-.}" "$${MODULE:-.}/build/kdir" modules_install

metadata:
	$(check)
	@scripts/setup.sh --metadata
	@scripts/metadata.sh "$$KDIR" >/dev/null

demo:
	$(check)
	@scripts/prepare.sh --demo "$$KERNEL" qemu/vm.py $(guest) --script demo/tour.sh

test:
	$(check)
	@$(prepare) qemu/test.py $(guest) $(junit) $${TESTS:+--tests "$$TESTS"}

test-all:
	$(check)
	@scripts/test-all.sh

test-distro:
	$(check)
	@exec scripts/test-distro.sh "$$SUITE" --kernel="$$KERNEL" $$WITH

soak:
	$(check)
	@$(prepare) qemu/test.py $(guest) --soak "$$MINUTES"

bench:
	$(check)
	@scripts/setup.sh --bench "$$KERNEL"
	@$(prepare) bench/run.py --kernel "$$KERNEL" $${SEED:+--seed "$$SEED"}

vm:
	$(check)
	@scripts/vm.sh $(guest) $(own) $(junit) $(share) \
		$${OUT:+--out "$$OUT"} $${LIMIT:+--limit "$$LIMIT"} $(job)

coverage:
	$(check)
	@$(prepare) scripts/coverage.sh "$$KERNEL" "$${MODULE:-.}" "$${SCRIPT:-$(if $(MODULE),$$MODULE/test.sh,qemu/coverage/all.sh)}"

trace:
	$(check)
	@scripts/setup.sh --trace "$$KERNEL"
	@$(prepare) trace/trace.sh "$$KERNEL" build/trace

ports:
	$(check)
	@$(prepare) ports/ports.sh "$$KERNEL" users
	@$(prepare) ports/ports.sh "$$KERNEL" jobs

compare:
	$(check)
	@$(prepare) compare/compare.sh "$$KERNEL" build/compare

shell:
	$(check)
	@$(prepare) $(build_own)
	@$(run) qemu/vm.py $(guest) $(own) $(share) --shell

watch:
	$(check)
	@$(prepare)
	@$(run) qemu/vm.py $(guest) --program watch/watch_demo.c --console watch_demo

gdb:
	$(check)
	@$(prepare) $(build_own)
	@scripts/packaged-kernel.sh --symbols "$$KERNEL"
	@scripts/build-module.sh "$$KERNEL" qemu/types "build/$$KERNEL/types"
	@$(run) qemu/vm.py $(guest) $(own) $(share) --gdb

new-module:
	$(check)
	@scripts/new-module.sh --check "$$NAME" "$${DIR:-..}"
	@$(prepare) scripts/new-module.sh "$$NAME" "$${DIR:-..}"
	@$(MAKE) --no-print-directory -C "$${DIR:-..}/$$NAME" test

doctor:
	$(check)
	@scripts/doctor.sh "$$KDIR" "$$KERNEL"

lint:
	$(check)
	@scripts/setup.sh --lint "$$KERNEL"
	@$(prepare) scripts/lint.sh "$$KERNEL"

ifneq ($(filter KDIR,$(LAB_GIVEN)),)
rust-analyzer: modules
	@scripts/rust-analyzer.sh "$$(realpath -ms -- "$$KDIR")/" $${MODULE:+"$$MODULE"}
else
rust-analyzer:
	$(check)
	@$(prepare) $(build_own)
	@scripts/rust-analyzer.sh "$$KERNEL" $${MODULE:+"$$MODULE"}
endif

proofs:
	$(check)
	@scripts/setup.sh --proofs
	@proofs/proofs.sh

model:
	$(check)
	@scripts/setup.sh --model
	@proofs/model.sh || [ $$? -eq 4 ]

mutants:
	$(check)
	@scripts/setup.sh --proofs
	@scripts/setup.sh --model
	@proofs/mutants.sh --kernel "$$KERNEL" $${SAMPLE:+--sample "$$SAMPLE"} $${SEED:+--seed "$$SEED"} $${MUTANT:+--only "$$MUTANT"}

kunit:
	$(check)
	@scripts/setup.sh
	@series/kunit.sh

patches:
	$(check)
	@scripts/setup.sh --lint
	@series/patches.sh

# The kernel debug is built by clang, as some of these are.
check-patches:
	$(check)
	@scripts/setup.sh --lint debug
	@series/build-series.sh patches $$BUILDS

build-matrix:
	$(check)
	@scripts/setup.sh debug
	@series/build-series.sh matrix $$BUILDS

upstream:
	$(check)
	@scripts/setup.sh --upstream fast
	@scripts/prepare.sh fast upstream/upstream.sh $${BUG:+"$$BUG"}

rustdoc:
	$(check)
	@$(prepare) scripts/rustdoc.sh "$$KERNEL"

clean:
	rm -rf build rust-project.json

cache:
	$(check)
	@scripts/cache.sh $${PRUNE:+"$$PRUNE"}

help:
	@scripts/help.sh

.PHONY: modules modules_install metadata demo coverage trace ports compare test test-all test-distro soak vm shell \
	watch gdb new-module doctor lint bench rust-analyzer kunit patches proofs model mutants check-patches build-matrix upstream rustdoc clean cache help
endif
