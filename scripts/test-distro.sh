#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: test-distro.sh SUITE [--kernel=NAME] [WORD...]
#
# Runs "make demo" and "make test" of the current commit in a bare Debian of the release
# SUITE ("other": the one that this machine does not run), with the kernel NAME instead of
# "fast" if there is one. The root comes from debootstrap and shares only the network with
# this machine. It stays in the cache, so a second run is short. Exits with 4 if this machine
# is not able to do that at all: no root, no network, no room. Each WORD is one of
#	user	runs as a user with sudo instead of root
#	german	sets the locale de_DE.UTF-8
#	hostile	sets the variables of tests/lib/hostile.env
#	slow	puts the mirror behind tests/lib/slow_proxy.py
#	fresh	first removes what an earlier run left in the root
#	stock	tests with the release's own kernel instead of the lab's: metadata for its
#		headers, the modules, dkms, and a boot of that root with systemd
#	quick	builds no kernel: "make doctor", the packages, and the parsers on the output
#		of the release's own tools

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/debian.sh"

usage="usage: make test-distro SUITE=bookworm|trixie|other [KERNEL=NAME] [ARCH=NAME] [WITH='user german hostile slow fresh stock quick']"

# lacks WHY: skips the test, as this machine is not able to run it.
lacks()
{
	say "$label: skipped, $*"
	exit 4
}

# The functions below run as root in new mount and PID namespaces, which end with them.

# new_root: unpacks $root from a tar file, which debootstrap makes once.
new_root()
{
	rm -rf "$state/new" "$root"
	if [ ! -f "$state/base.tar" ]; then
		_include=make,ca-certificates
		say "$label: debootstrap makes a bare $suite from $mirror; its log is $state/debootstrap.log"
		progress_start "$label: debootstrap" 0 nothing
		debootstrap --variant=minbase --include="$_include" "$suite" "$state/new" "$mirror" >"$state/debootstrap.log" 2>&1 ||
			die "debootstrap of $suite failed: $(grep -E '^[EW]: ' "$state/debootstrap.log" | tail -n 1): check the network and $mirror; its log: $state/debootstrap.log"
		progress_stop
		tar -C "$state/new" --one-file-system -cf "$state/base.tar.new" . || die "failed to pack $state/new"
		mv "$state/base.tar.new" "$state/base.tar" || exit 1
	else
		mkdir "$state/new" || exit 1
		tar -C "$state/new" -xpf "$state/base.tar" || die "failed to unpack $state/base.tar: remove it"
	fi
	mv "$state/new" "$root" || exit 1
}

# network: copies this machine's names, mirrors, proxies and certificates.
network()
{
	for _file in resolv.conf hosts; do
		rm -f "$root/etc/$_file"
		cat "/etc/$_file" >"$root/etc/$_file" 2>/dev/null
	done
	{
		echo "deb $mirror $suite main"
		echo "deb $mirror $suite-updates main"
		[ -z "$security" ] || echo "deb $security $suite-security main"
	} >"$root/etc/apt/sources.list"
	apt-config dump | grep -E '^Acquire::(https?::(Proxy|Verify|Timeout)|Check-)' >"$root/etc/apt/apt.conf.d/90test-distro"
	for _crt in /usr/local/share/ca-certificates/*.crt; do
		[ ! -f "$_crt" ] || cp "$_crt" "$root/usr/local/share/ca-certificates/"
	done
	within root update-ca-certificates >/dev/null 2>&1
}

# slow_mirror: makes programs in the root fetch slowly.
slow_mirror()
{
	rm -f "$state/port"
	"$TOP/tests/lib/slow_proxy.py" "$state/port" </dev/null >"$logs/slow_proxy.log" 2>&1 &
	for _ in $(seq 100); do
		[ ! -f "$state/port" ] || break
		sleep 0.1
	done
	[ -f "$state/port" ] || die "the slow proxy did not start; its log: $logs/slow_proxy.log"
	proxies="http_proxy=http://127.0.0.1:$(cat "$state/port")"
}

# mounted WHERE ARGUMENT...: runs mount with these arguments on WHERE in the root.
mounted()
{
	_where=$root/$1
	shift
	mount "$@" "$_where" || die "failed to mount $_where"
}

mounts()
{
	mounted proc -t proc proc
	mounted sys -t sysfs -o ro sysfs
	mounted dev -t tmpfs -o mode=755 tmpfs
	mkdir "$root/dev/pts" "$root/dev/shm"
	mounted dev/pts -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts
	mounted dev/shm -t tmpfs -o mode=1777 tmpfs
	ln -s pts/ptmx "$root/dev/ptmx"
	ln -s /proc/self/fd "$root/dev/fd"
	ln -s /proc/self/fd/0 "$root/dev/stdin"
	ln -s /proc/self/fd/1 "$root/dev/stdout"
	ln -s /proc/self/fd/2 "$root/dev/stderr"
	for _node in null zero full random urandom tty; do
		: >"$root/dev/$_node"
		mounted dev/$_node --bind /dev/$_node
	done
}

# within USER COMMAND...: runs COMMAND in the root, as after a login.
within()
{
	_user=$1
	shift
	_home=/home/$_user
	[ "$_user" != root ] || _home=/root
	# shellcheck disable=SC2086 # $proxies and $environment are words NAME=VALUE
	chroot --userspec="$_user" "$root" /usr/bin/env -i --default-signal=INT,QUIT HOME=$_home USER="$_user" LOGNAME="$_user" SHELL=/bin/sh \
		TERM=dumb PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin $proxies $environment "$@" </dev/null
}

# add PACKAGE...: installs packages that the machine of a user already has.
add()
{
	{
		within root apt-get -q update &&
			within root DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "$@"
	} >"$logs/setup.log" 2>&1 ||
		die "failed to install $* in $root: $(sed -n 's/^E: *//p' "$logs/setup.log" | head -n 1); the log: $logs/setup.log"
}

# step NAME COMMAND...: runs COMMAND, with its output on the terminal and in a log.
step()
{
	_name=$1
	shift
	say "$label: $*"
	_start=$(date +%s)
	# The status stays like this if the subshell is killed.
	echo lost >"$state/status"
	{
		# shellcheck disable=SC2016 # the inner shell expands
		within "$user" sh -c 'cd "$1" && shift && exec "$@"' sh "$clone" "$@" 2>&1
		echo $? >"$state/status"
	} | tee "$logs/$_name.log" &
	# The shell handles signals during this wait, but not during a foreground command.
	pipeline=$!
	wait "$pipeline"
	pipeline=
	_status=$(cat "$state/status")
	seconds=$(($(date +%s) - _start))
	done="$done
  $* (as $user): status $_status after $seconds s, $logs/$_name.log"
	[ "$_status" = 0 ] && return
	failed=yes
	return 1
}

# stock_kernel: installs Debian's kernel with its headers. Sets $release.
stock_kernel()
{
	[ "$suite" = trixie ] || return 1
	grep -q backports "$root/etc/apt/sources.list" || echo "deb $mirror $suite-backports main" >>"$root/etc/apt/sources.list"
	# Install an init before the kernel, as on a machine that boots.
	add systemd-sysv udev kmod initramfs-tools e2fsprogs dkms
	add -t "$suite-backports" linux-image-amd64 linux-headers-amd64
	# An earlier run may have left a cloud kernel.
	release=$(find "$root/usr/src" -maxdepth 1 -name 'linux-headers-*-amd64' ! -name '*-cloud-*' | sed -n 's|.*/linux-headers-||p' | sort -V | tail -n 1)
}

# stock: runs the commands of docs/stock.md on a Debian with such a kernel.
stock()
{
	step demo make demo KERNEL=debian || return
	[ -z "$fresh" ] || took demo-debian "$seconds"
	stock_kernel || return 0
	step metadata make metadata "KDIR=/lib/modules/$release/build" || return
	step modules make "KDIR=/lib/modules/$release/build" || return
	step rust-analyzer make rust-analyzer "KDIR=/lib/modules/$release/build" || return
	for _old in "$root"/usr/src/"$PROJECT_MODULE"-*; do
		[ ! -d "$_old" ] || within root dkms remove "$PROJECT_MODULE/${_old##*-}" --all >/dev/null 2>&1
		rm -rf "$_old"
	done
	user=root
	step modules_install make modules_install "KDIR=/lib/modules/$release/build" || return
	# What is tested below is what dkms installs.
	rm -r "$root/lib/modules/$release/updates"
	step dkms-add dkms add . || return
	_version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"$/\1/p' "$TOP/dkms.conf")
	step dkms-install dkms install "$PROJECT_MODULE/$_version" -k "$release" || return
	step installed scripts/boot-installed.sh "$release" || return
	# A later kernel, as from an upgrade: apt lets dkms build for it, without a terminal.
	_cloud=${release%-amd64}-cloud-amd64
	within root apt-get -q -y purge 'linux-image-*cloud*' 'linux-headers-*cloud*' >/dev/null 2>&1
	rm -rf "$root/var/cache/$PROJECT_CACHE/metadata"
	step upgrade apt-get -q -y --no-install-recommends -t "$suite-backports" install \
		linux-image-cloud-amd64 linux-headers-cloud-amd64 || return
	step upgraded ls -l "/lib/modules/$_cloud/updates/dkms"
}

# kernel_is_there: whether the kernel is built. Fetches nothing to find out.
kernel_is_there()
{
	for _built in "$root$home/.cache/$PROJECT_CACHE"/kernels/fast-*/built; do
		if [ -f "$_built" ]; then
			# shellcheck disable=SC2016 # the inner shell expands
			within "$user" sh -c 'cd "$1" && scripts/build-kernel.sh --is-built fast' sh "$clone" >/dev/null 2>&1
			return
		fi
	done
	return 1
}

# follow: ends everything in here once the starter is gone, and with it the other end of
# stdin. unshare forwards no signals, and sudo none of a user's.
follow()
{
	cat >/dev/null
	kill -TERM 1 -1
}

# interrupted: ends everything else in here, also processes that ignore SIGTERM.
# shellcheck disable=SC2317 # the trap calls it
interrupted()
{
	trap '' INT TERM HUP
	kill -TERM -1
	(sleep 10 && kill -KILL -1) &
	[ -z "${pipeline:-}" ] || wait "$pipeline"
	exit 130
}

inside()
{
	trap interrupted INT TERM HUP
	exec 7<&0 </dev/null
	follow <&7 7<&- &
	exec 7<&-
	# Held until the last process in here has ended.
	lock "$state/inside.lock" "$label"
	environment=
	[ -z "$fresh" ] || rm -rf "$root"
	[ -d "$root" ] || new_root
	mounts
	network
	[ -z "$slow" ] || slow_mirror
	find "$root/tmp" "$root/var/tmp" -mindepth 1 -delete
	# An earlier run may have interrupted dpkg.
	within root dpkg --configure -a >"$logs/dpkg.log" 2>&1 ||
		die "dpkg failed to repair what an interrupted run left in $root: use WITH=fresh; the log: $logs/dpkg.log"
	user=root
	home=/root
	packages=
	if [ -n "$as_user" ]; then
		user=tester
		home=/home/tester
		[ -x "$root/usr/bin/sudo" ] || packages="$packages sudo"
	fi
	if [ -n "$german" ] && [ ! -d "$root/usr/share/i18n" ]; then
		packages="$packages locales"
	fi
	# shellcheck disable=SC2086 # words
	[ -z "$packages" ] || add $packages
	if [ -n "$as_user" ]; then
		[ -d "$root$home" ] || within root useradd --create-home "$user" || die "failed to add a user in $root"
		echo "$user ALL=(ALL:ALL) NOPASSWD: ALL" >"$root/etc/sudoers.d/$user"
	fi
	if [ -n "$german" ]; then
		within root localedef -i de_DE -f UTF-8 de_DE.UTF-8 || die "failed to make the locale de_DE.UTF-8 in $root"
		environment="LANG=de_DE.UTF-8 LC_ALL=de_DE.UTF-8 LANGUAGE=de"
	fi
	if [ -n "$hostile" ]; then
		# LOCPATH would hide the files of the requested locale.
		environment="$(grep -v -e '^#' ${german:+-e '^LOCPATH='} "$TOP/tests/lib/hostile.env" | tr '\n' ' ') $environment"
	fi

	# The build of the clone stays from run to run.
	clone=$home/$PROJECT_MODULE
	mkdir -p "$root$clone"
	find "$root$clone" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
	cp -R "$state/clone/." "$root$clone" || die "failed to copy the clone to $root$clone"
	chroot "$root" chown -R "$user:" "$clone"

	done=
	failed=
	step doctor make doctor
	if [ -n "$stock" ]; then
		stock
	elif [ -n "$quick" ] && ! kernel_is_there; then
		step setup scripts/setup.sh fast && step units scripts/run.sh python3 tests/selfcheck/units.py
		step doctor make doctor
	else
		step demo make demo ${kernel:+KERNEL="$kernel"} && step test make test ${kernel:+KERNEL="$kernel"} ${TESTS:+TESTS="$TESTS"}
	fi
	echo "$label, $(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' "$root/etc/os-release"), commit $(cat "$state/commit"):$done"
	[ -z "$failed" ] || die "$suite failed; to inspect it: sudo chroot $root"
	say "$label: all of it held"
	exit 0
}

suite=${1:-}
[ $# -eq 0 ] || shift
as_user='' german='' hostile='' slow='' fresh='' stock='' quick='' kernel='' within_namespaces=
for word; do
	case $word in
	user) as_user=yes ;;
	german | hostile | slow | fresh | stock | quick) eval "$word=yes" ;;
	--kernel=fast) ;;
	--kernel=*) kernel=${word#*=} ;;
	--namespaces) within_namespaces=yes ;;
	--mirror=*) mirror=${word#*=} ;;
	--security=*) security=${word#*=} ;;
	*) die "'$word' is unknown; $usage" ;;
	esac
done
case $suite in
bookworm | trixie) ;;
other) suite=$(other_release) ;;
'') die "SUITE is missing; $usage" ;;
*) die "SUITE='$suite' is not a supported release; $usage" ;;
esac

[ -z "$kernel" ] || [ -z "$stock$quick" ] || die "'stock' and 'quick' build no kernel: leave KERNEL and ARCH out"
[ -z "$slow" ] || [ -z "${http_proxy:-}" ] || die "'slow' needs a machine without a proxy"
label="test-distro $suite"
state=$CACHE/distro/$suite
root=$state/root
logs=$TOP/build/test-distro/$suite
proxies=
for name in http_proxy https_proxy ftp_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
	value=
	eval "value=\${$name:-}"
	case $value in
	'' | *[[:space:]]*) ;;
	*) proxies="$proxies $name=$value" ;;
	esac
done
if [ -n "$within_namespaces" ]; then
	inside
fi

# From here on it runs as the caller.
[ -z "$hostile" ] || [ -f "$TOP/tests/lib/hostile.env" ] || die "there is no tests/lib/hostile.env"
said=$(git -C "$TOP" rev-parse HEAD 2>&1) ||
	die "this tests the current commit, and git says: $(printf '%s\n' "$said" | head -n 1)"
make_cache
sudo=
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || lacks "as it needs root, and there is no sudo: run it as root"
	sudo -v || lacks "as it needs root, and sudo did not allow it"
	sudo=sudo
fi
$sudo unshare --mount --pid --fork true || lacks "as this machine does not allow new mount namespaces"
mirror=$(debian_mirror) || lacks "as this machine's apt knows no Debian mirror to make $suite from"
said=$(check_mirror "$suite" "$suite" 2>&1) || lacks "as ${said#*: }"
# shellcheck disable=SC2016 # apt expands these
security=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
	sed -n 's|^Debian-Security ||p' | head -n 1)
mkdir -p "$state" "$logs" || exit 1
lock "$state/lock" "$label"
room=7000
[ -z "$quick" ] || room=3000
if [ ! -d "$root" ] || [ -n "$fresh" ]; then
	said=$(need_space "$state" $room "a root with $suite" 2>&1) || lacks "as ${said#*: }"
fi
if [ ! -f "$state/base.tar" ] && [ ! -x /usr/sbin/debootstrap ]; then
	"$TOP/scripts/setup.sh" --distro || lacks "as debootstrap could not be installed"
fi
[ -z "$(git -C "$TOP" status --porcelain)" ] || say "$label: uncommitted changes are not tested"
touch "$state/used"
rm -rf "$state/clone"
git clone -q --no-hardlinks "file://$TOP" "$state/clone" || die "failed to clone $TOP"
git -C "$TOP" rev-parse --short HEAD >"$state/commit"

# shellcheck disable=SC2317 # the trap calls it
end()
{
	trap '' INT TERM HUP
	exec 7<&-
	wait "$inside"
	say "$label: interrupted, and everything that it started has ended"
	exit 130
}

# In braces, so that the shell reads it at once: this file may change before it ends.
{
	rm -f "$state/alive"
	mkfifo "$state/alive" || exit 1
	exec 7<>"$state/alive"
	trap end INT TERM HUP
	# The shell ignores SIGINT in background commands, and tests need the default.
	# shellcheck disable=SC2086 # $sudo and $proxies are words
	$sudo env -i --default-signal=INT,QUIT PATH="$PATH:/usr/sbin:/sbin" HOME="$HOME" XDG_CACHE_HOME="${XDG_CACHE_HOME:-}" \
		${TESTS:+TESTS="$TESTS"} $proxies unshare --mount --pid --fork --kill-child \
		"$0" "$suite" ${kernel:+--kernel="$kernel"} --namespaces --mirror="$mirror" --security="$security" \
		${as_user:+user} ${german:+german} ${hostile:+hostile} ${slow:+slow} ${fresh:+fresh} ${stock:+stock} ${quick:+quick} \
		<"$state/alive" 7<&- 8>&- &
	inside=$!
	wait "$inside"
	exit
}
