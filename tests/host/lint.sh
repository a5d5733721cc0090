#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# ksft-kernel: any
#
# Runs on the host: "make lint" finds typing errors, and violations of .editorconfig, in each
# kind of file, and prints their location.

KERNEL=${1:-${KERNEL:-fast}}
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib/ktap.sh"

for program in shellcheck shfmt; do
	command -v $program >/dev/null || ktap_skip_all "there is no $program (make lint installs it)"
done
/usr/bin/python3 -c 'import codespell_lib, editorconfig, flake8, mypy' 2>/dev/null ||
	ktap_skip_all "what lint runs is not installed (make lint installs it)"
[ -n "$("$top/scripts/toolchain.sh" none | sed -n 's/^RUSTFMT=//p')" ] || ktap_skip_all "there is no rustfmt (make lint installs it)"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lab/scripts" "$work/lab/.ci" "$work/lab/docs" "$work/lab/demo"
cp "$top"/.editorconfig "$top"/.codespellrc "$top"/.flake8 "$top"/pyproject.toml "$work/lab"
# Only the scripts that lint runs, as it checks all files each time.
for script in lib.sh lint.sh toolchain.sh kernel-source.sh debian.sh check-editorconfig.py; do
	cp "$top/scripts/$script" "$work/lab/scripts"
done
mkdir "$work/lab/qemu"
cp -R "$top/qemu/arch" "$top/qemu/project.conf" "$work/lab/qemu"
cp "$top/.ci/run" "$work/lab/.ci"
cp "$top/demo/command.rs" "$work/lab/demo"
cd "$work/lab" || exit 1

# lint: runs lint, and sets $status and $said.
lint()
{
	said=$(scripts/lint.sh "$KERNEL" text 2>&1)
	status=$?
}

# finds NAME FILE PATTERN TEXT: FILE, which has the text (a format of printf), is the only fault.
# A - hides the errors in this file from lint, and is removed here.
finds()
{
	# shellcheck disable=SC2059 # it is a format
	printf "$(printf %s "$4" | tr -d -)" >"$2"
	lint
	ktap_match "$1" "1 *$2*$3*" "$status $said"
	rm "$2"
}

ktap_plan 16
lint
ktap_eq "what is right is clean" 0 $status || ktap_diag "$said"
ktap_match "and it says what was looked at" "*codespell: clean*editorconfig: clean*" "$said"

finds "a typing error in a page" docs/page.md ':1: * ==> received' 'It is rec-ieved.\n'
finds "in a comment" demo/one.rs ':3: * ==> Which' '// \n\n// W-ich one.\n'
finds "in another text" docs/one.toml ':1: * ==> the' 'title = "te-h"\n'
finds "a blank at the end of a line" docs/page.md ':1: has trailing whitespace' 'A blank at the end. \n'
finds "a last line that does not end" docs/page.md ':1: has no newline at the end' 'No end'
finds "a tab where there are spaces" docs/one.py ':3: is indented with a tab' '# A comment.\nif True:\n\tpass\n'
finds "another encoding" docs/page.md ':1: is not UTF-8' 'B\344r\n'
finds "format of Rust" demo/one.rs 'lint: rustfmt: see above' '// A comment.\n\nfn f(){}\n'
finds "a script's fault" docs/one.sh ' line 2:' '#!/bin/sh\ncd /tmp\n'
finds "format of a script" docs/one.sh '-f() {' '#!/bin/sh\nf() {\n\techo\n}\n'
finds "what checkpatch forbids" demo/one.c '' 'int f(void) { return 0; }\n'
finds "an import that nobody uses" docs/one.py ':2:1: F401 ' '# A comment.\nimport os\n'
finds "a function without types" docs/one.py ':2: error: Function is missing ' '# A comment.\ndef f(a):\n    return a\n'
finds "a type that is another" docs/one.py ':2: error: Incompatible types ' '# A comment.\nx: int = "one"\n'
ktap_finished
