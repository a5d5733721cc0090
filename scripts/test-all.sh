#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: test-all.sh
#
# Runs "make test" for every kernel in qemu/config, "fast" first, on each architecture or
# on ARCH. Without ARCH and TESTS it then runs "make kunit", a sample of mutants, the builds
# of the series, "make upstream", the commands of the pages, and both main commands in a
# bare Debian of the other release. Adds up the totals.

. "$(dirname "$0")/lib.sh"

cd "$TOP" || exit 1
mkdir -p build || exit 1
output=$(mktemp build/test-all.XXXXXX) || exit 1
trap 'rm -f "$output"' EXIT

bad=
# part NAME COMMAND...
part()
{
	_part=$1
	shift
	say "test-all: $_part"
	# Pass the status through a file, as a pipe only returns that of its last command.
	("$@" || echo "status $?" >>"$output") | tee -a "$output"
	if grep -q '^status ' "$output"; then
		bad="$bad, $_part"
		sed -i '/^status /d' "$output"
	fi
}

own=$(host_arch)
for arch in ${LAB_ARCH:-$own $(archs | tr ' ' '\n' | grep -vx "$own")}; do
	for name in fast $(basename -s .config -a qemu/config/*.config | grep -vx fast); do
		only=$(sed -n 's/^# Only: //p' "qemu/config/$name.config")
		[ "${only:-$arch}" = "$arch" ] || continue
		part "kernel $name, $arch" make test KERNEL="$name" ARCH="$arch" ${SMP:+SMP="$SMP"} ${MEM:+MEM="$MEM"} \
			${BOOT:+BOOT="$BOOT"} ${CONFIG:+CONFIG="$CONFIG"} ${TESTS:+TESTS="$TESTS"} ${V:+V="$V"}
	done
done
if [ -z "${TESTS:-}${LAB_ARCH:-}" ]; then
	part 'the KUnit suites in the tree' make kunit
	part 'a sample of mutants' make mutants SAMPLE=20 KERNEL=fast
	part 'the series for the tree, patch by patch' make check-patches
	part 'the series, other builds' make build-matrix
	part 'the bugs of the kernel' make upstream
	part 'the commands of the pages' scripts/prepare.sh fast tests/documented.py
	suite=$(other_release)
	part "a bare Debian, $suite" scripts/test-distro.sh "$suite"
	part 'an arm64 guest there' scripts/test-distro.sh "$suite" --kernel=fast@arm64
	part "the same, in German and for a user" scripts/test-distro.sh "$suite" user german
	part 'Debian 13 with its own kernel' scripts/test-distro.sh trixie stock
fi

awk '/^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ { p += $1; f += $3; s += $5 }
	END { printf "%d passed, %d failed, %d skipped\n", p, f, s }' "$output"
[ -z "$bad" ] || die "failed: ${bad#, }"
