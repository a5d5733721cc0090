# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# For tests on the host: a fake kernel tree that builds in an instant, and a lab that builds
# it. Sourced with $top and $work set.

# fake_tree DIR: makes a fake linux tree. Its build writes its environment to
# DIR/environment, and runs DIR/hook if there is one.
fake_tree()
{
	mkdir -p "$1/rust/kernel"
	: >"$1/Kconfig"
	: >"$1/Kbuild"
	cat >"$1/Makefile" <<-'END'
		VERSION = 7
		PATCHLEVEL = 3
		SUBLEVEL = 0
		NAME = Fake
		.RECIPEPREFIX = >

		allnoconfig:
		>@mkdir -p $(O)/include/config $(O)/include/generated $(O)/rust
		>@grep -v '=n$$' $(KCONFIG_ALLCONFIG) $(if $(wildcard lost),| grep -v `cat lost`) >$(O)/.config
		>@cp $(O)/.config $(O)/include/config/auto.conf
		>@echo "CONFIG_RUSTC_VERSION_TEXT=\"$$($(RUSTC) --version)\"" >>$(O)/include/config/auto.conf
		>@cp module.mk $(O)/Makefile
		vmlinux:
		>@env | grep -vE '^(MAKE|MFLAGS|_=|PWD=|OLDPWD=|SHLVL=)' | sort >environment
		>@! test -f hook || sh ./hook
		>@echo built >$(O)/vmlinux
		>@echo built >$(O)/Module.symvers
		modules: vmlinux
		Image: vmlinux
		>@mkdir -p $(O)/arch/$(ARCH)/boot
		>@echo "$(ARCH) $(CROSS_COMPILE)" >$(O)/arch/$(ARCH)/boot/Image
		mrproper:
		>@rm -rf .config include arch
	END
	# The script that builds a module checks its location.
	cat >"$1/module.mk" <<-'END'
		.RECIPEPREFIX = >
		modules modules_install:
		>@case '$(M)$(MO)' in *[!A-Za-z0-9/._+@-]*) echo error: bad path; exit 1 ;; esac
		>@echo $(patsubst %.c,%.o,$(notdir $(wildcard $(M)/*.c))) | tr ' ' '\n' >$(MO)/modules.order
		>@for m in $$(sed 's/\.o$$//' $(MO)/modules.order); do cp /bin/true $(MO)/$$m.ko; done
		>@echo '$(INSTALL_MOD_PATH)' >$(MO)/installed
		>@echo '$(DEPMOD)' >$(MO)/depmod
		%.ko: modules
		>@:
		clean:
		>@rm -f $(MO)/*.ko
	END
}

# fake_lab DIR: a checkout with only the scripts. Its setup.sh does nothing, as the real one
# is slow; real_setup DIR undoes that.
fake_lab()
{
	mkdir -p "$1"
	cp -R "${top:?}/scripts" "$1"
	mkdir "$1/qemu"
	cp -R "$top/qemu/config" "$top/qemu/arch" "$top/qemu/project.conf" "$1/qemu"
	cp "$top/Makefile" "$1"
	printf '#!/bin/sh\n' >"$1/scripts/setup.sh"
	: >"$1/Kbuild"
	: >"$1/demo.c"
}

real_setup()
{
	cp "${top:?}/scripts/setup.sh" "$1/scripts"
}

# lab COMMAND...: runs it with the tree and the cache below $work.
lab()
{
	KERNEL_SRC=${tree:-$work/tree} XDG_CACHE_HOME=${cache:-$work/cache} BINDGEN=$bindgen "$@"
}

bindgen=$("${top:?}/scripts/toolchain.sh" | sed -n 's/^BINDGEN=//p')
