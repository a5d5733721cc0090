#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: bindgen.sh [--check] [VERSION]
#
# Puts a bindgen that the kernel accepts, or one of VERSION or newer, into the cache, for a
# release whose own is too old. It comes from a newer suite together with that suite's libc,
# which runs it beside the machine's own. With --check it only checks whether it could.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/debian.sh"

only_check=
if [ "${1:-}" = --check ]; then
	only_check=yes
	shift
fi
wanted=${1:-$MIN_BINDGEN}
case $wanted in
"$MIN_BINDGEN") SUITE=trixie place=$CACHE/bindgen ;;
*) SUITE=forky place=$CACHE/bindgen-newer ;;
esac

need_host
check_cache
[ ! -x "$place/bindgen" ] || exit 0
[ ! -d "$place" ] || [ -x "$place" ] ||
	die "$place is closed to $(id -un): have its owner run: chmod 755 $place"
need_writable
[ -n "$only_check" ] || make_cache
[ -n "$only_check" ] || lock "$place.lock" bindgen
[ ! -x "$place/bindgen" ] || exit 0

need_space "$CACHE" 200 bindgen
check_mirror "$SUITE" "bindgen from; or install bindgen $wanted or newer and set BINDGEN="
[ -z "$only_check" ] || exit 0

say "bindgen: downloading bindgen and libc6 from $SUITE into the cache"
debian_suite "$SUITE" ||
	die "could not fetch the package index of $SUITE: $(debian_error): check the network, or set BINDGEN="
version=$(debian_version bindgen)
version_ok "$version" "$wanted" ||
	die "$SUITE has bindgen ${version:-(none)}: $wanted or newer is needed; install one and set BINDGEN="

rm -rf "$place".new.*
new=$(new_directory "$place.new")
for package in bindgen libc6; do
	debian_download "$package" "$new" ||
		die "the download of $package failed: $(debian_error) (all of it: $APT/log)"
	dpkg-deb -x "$new/$package"_*.deb "$new/root" || die "failed to unpack $package in $new"
done
rm -f "$new"/*.deb

# bindgen opens libclang at run time, so the wrapper names one that is new enough.
cat >"$new/bindgen" <<'EOF'
#!/bin/sh
# Made by scripts/bindgen.sh.
root=$(dirname "$0")/root
arch=$(uname -m)-linux-gnu
llvm=${LIBCLANG_PATH:-}
if [ -z "$llvm" ]; then
	lib=$(find /usr/lib/llvm-*/lib -name 'libclang-1[7-9].so*' -o -name 'libclang-2[01].so*' | head -n 1)
	llvm=$(dirname "$lib")
fi
export LIBCLANG_PATH="$llvm"
for ld in "$root/usr/lib/$arch"/ld-linux*; do
	exec "$ld" --library-path "$root/usr/lib/$arch:$llvm:/lib/$arch:/usr/lib/$arch" \
		"$root/usr/bin/bindgen" "$@"
done
EOF
chmod +x "$new/bindgen"
version_ok "$(version_of "$new/bindgen")" "$wanted" ||
	die "the bindgen of $SUITE does not run on this machine: install bindgen $wanted or newer and set BINDGEN="
rm -rf "$place"
mv "$new" "$place"
say "bindgen: $version from $SUITE is in $place"
