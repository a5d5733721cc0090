# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Compiles users of kthread/ on the host. Sourced with $top and $KERNEL set. Sets $work, a
# directory that is removed when the shell exits.

compile_bail()
{
	echo "Bail out! $*"
	exit 1
}

compile_command=${top:?}/build/$KERNEL/module/.rust_kthread_demo.o.cmd
[ -r "$compile_command" ] ||
	compile_bail "the module is not built for kernel '$KERNEL': there is no $compile_command"
work=$(mktemp -d) || compile_bail "no temporary directory"
trap 'rm -rf "$work"' EXIT

# The command line of the module's compiler, without inputs and outputs.
compile_flags=$(sed -n 's/^savedcmd_rust_kthread_demo\.o := //p' "$compile_command")
compile_flags=${compile_flags%% --emit=*}
compile_flags=$(printf '%s\n' "$compile_flags" | sed 's/ --out-dir [^ ]*//')
[ -n "$compile_flags" ] || compile_bail "$compile_command does not say how the module was compiled"

# compile OUT FILE OPTION...: checks a crate, and prints one line for each error.
compile()
{
	compile_out=$1
	compile_file=$2
	shift 2
	eval "set -- $compile_flags \"\$@\""
	RUSTC_BOOTSTRAP=1 env "$@" --cap-lints allow --error-format=short --emit=metadata \
		-o "$compile_out" -L "$work" "$compile_file"
}

# compile_api: makes kthread/ a crate, for `--extern api`.
compile_api()
{
	cat >"$work/api.rs" <<-EOF
		#[path = "$top/kthread/mod.rs"]
		pub mod kthread;
	EOF
	compile "$work/libapi.rmeta" "$work/api.rs" --crate-name api >"$work/log" 2>&1 ||
		compile_bail "kthread/ does not compile: $(grep -m 1 error "$work/log")"
}
