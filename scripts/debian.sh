# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Runs the machine's apt, and fetches packages of newer Debian suites from its mirror
# without changing the machine: all state is below $CACHE/apt. Sourced after lib.sh.

# A mirror may be slow, but give up on one that sends nothing for this long.
PATIENCE="-o Acquire::Retries=2 -o Acquire::http::Timeout=60 -o Acquire::https::Timeout=60"

# The suites to search for kernels that are new enough, the most stable ones first.
# shellcheck disable=SC2034 # scripts that source this use it
KERNEL_SUITES="trixie-backports forky sid experimental"

# can_be_root WHY BY_HAND: dies unless commands can run as root, perhaps after asking for
# a password. Sets $root, the prefix of such a command.
can_be_root()
{
	root=
	[ "$(id -u)" -ne 0 ] || return 0
	command -v sudo >/dev/null || die "root is needed $1, and there is no sudo: $2"
	root=sudo
	if ! sudo -n true 2>/dev/null && ! (: </dev/tty) 2>/dev/null && [ -z "${SUDO_ASKPASS:-}" ]; then
		die "sudo asks for a password $1, and there is no terminal to ask on: run it in a terminal; or $2"
	fi
}

# become_root WHY BY_HAND: the same, and asks for the password now, while no progress
# line overwrites the prompt.
become_root()
{
	asks_again=
	can_be_root "$@"
	[ -n "$root" ] && ! sudo -n true 2>/dev/null || return 0
	say "sudo asks for your password $1"
	sudo -v || die "sudo did not make you root $1: $2"
	# If sudo does not cache the password, it will ask again.
	sudo -n true 2>/dev/null || asks_again=yes
}

# apt_get LABEL LOG ARGUMENT...: runs apt-get as root, in English. Waits for other holders
# of the locks of apt or dpkg, as not all apt-get commands do.
apt_get()
{
	_label=$1
	_log=$2
	shift 2
	# shellcheck disable=SC2086 # $PATIENCE is words
	set -- apt-get -q $PATIENCE "$@"
	# sudo passes none of these on.
	for _proxy in http_proxy https_proxy ftp_proxy all_proxy no_proxy; do
		eval "[ -z \"\${$_proxy:-}\" ] || set -- \"$_proxy=\$$_proxy\" \"\$@\""
	done
	_end=$(($(date +%s) + 300))
	_holder=
	while :; do
		[ -n "$asks_again" ] || progress_start "$_label${_holder:+, waiting for $_holder}" 0 nothing
		_status=0
		$root env LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@" </dev/null >"$_log" 2>&1 || _status=$?
		if [ $_status -eq 0 ] || ! grep -q '^E: Could not get lock' "$_log"; then
			progress_stop
			return $_status
		fi
		_was=$_holder
		_holder=$(sed -n 's/^E: Could not get lock \([^ ]*[^ .]\).*held by \(process [0-9]* ([^)]*)\).*/\2, which holds \1/p
			s/^E: Could not get lock \([^ ]*\) - .*/another program, which holds \1/p' "$_log" | head -n 1)
		: "${_holder:=another program that installs packages}"
		if [ "$(date +%s)" -ge $_end ]; then
			progress_stop
			die "gave up after five minutes of waiting for $_holder: end that first; the log: $_log"
		fi
		sleep 2
		progress_stop
		[ "$_was" = "$_holder" ] || say "$_label: waiting up to five minutes for $_holder"
	done
}

# apt_error LOG: why apt failed, or sudo.
apt_error()
{
	_error=$(sed -n 's/^E: *//p' "$1" 2>/dev/null | grep -v '^Some index files failed' | head -n 1)
	[ -n "$_error" ] || _error=$(sed -n 's/^W: *//p' "$1" 2>/dev/null | head -n 1)
	[ -n "$_error" ] || _error=$(grep -v '^ *$' "$1" 2>/dev/null | tail -n 1)
	echo "${_error:-it gave no reason}"
}

# not_on_offer PACKAGE...: prints those that the machine's apt does not offer.
not_on_offer()
{
	for _package; do
		[ -n "$(offered "$_package")" ] || echo "$_package"
	done
}

# offered PACKAGE: the newest version that the machine's own apt offers.
offered()
{
	LC_ALL=C apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: *\([0-9]*:\)\{0,1\}\([0-9].*\)$/\2/p'
}

# Prints the mirror that the machine itself uses. The Release file distinguishes it from
# other repositories; if no index was ever fetched, it is the one with this release's suite.
debian_mirror()
{
	command -v apt-get >/dev/null || return 1
	# shellcheck disable=SC2016 # apt expands these
	_mirror=$(apt-get indextargets --format '$(ORIGIN)/$(LABEL) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		sed -n 's|^Debian/Debian ||p' | grep -v '^cdrom:' | head -n 1)
	if [ -z "$_mirror" ]; then
		_codename=$(. /etc/os-release 2>/dev/null && [ "${ID:-}" = debian ] && echo "${VERSION_CODENAME:-}")
		[ -n "$_codename" ] || return 1
		# shellcheck disable=SC2016
		_mirror=$(apt-get indextargets --no-release-info --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
			sed -n "s|^$_codename ||p" | grep -v '^cdrom:' | head -n 1)
	fi
	[ -n "$_mirror" ] && echo "$_mirror"
}

# check_mirror SUITE WHAT: dies unless the mirror answers. It need not have the suite.
check_mirror()
{
	DEBIAN_MIRROR=$(debian_mirror) ||
		die "this machine's apt knows no Debian mirror to fetch $2"
	_try=$(mktemp) || exit 1
	# shellcheck disable=SC2086 # words
	_said=$(LC_ALL=C /usr/lib/apt/apt-helper $PATIENCE -o APT::Sandbox::User="" download-file \
		"${DEBIAN_MIRROR%/}/dists/$1/InRelease" "$_try" 2>&1) || {
		rm -f "$_try"
		case $_said in
		*" 404 "*) return ;;
		esac
		_said=$(printf '%s\n' "$_said" | sed -n 's/^E: *//p' | head -n 1)
		die "the mirror does not answer: ${_said:-$DEBIAN_MIRROR}: check the network, which has to fetch $2"
	}
	rm -f "$_try"
}

# debian_suite SUITE [ARCHITECTURE]: fetches the suite's package index, for a foreign
# ARCHITECTURE if Debian's name of one is given. The functions below then see only that
# suite. The output of apt is in $APT/log.
debian_suite()
{
	APT=$CACHE/apt/$1${2:+-$2}
	mkdir -p "$APT/lists/partial" "$APT/cache/archives/partial"
	_signed=
	for _keyring in /usr/share/keyrings/debian-archive-keyring.pgp /usr/share/keyrings/debian-archive-keyring.gpg; do
		if [ -r "$_keyring" ]; then
			_signed="[signed-by=$_keyring] "
			break
		fi
	done
	echo "deb $_signed$DEBIAN_MIRROR $1 main" >"$APT/sources.list"
	cat >"$APT/apt.conf" <<-EOF
		Dir::Etc::SourceList "$APT/sources.list";
		Dir::Etc::SourceParts "/dev/null";
		Dir::Etc::Preferences "/dev/null";
		Dir::Etc::PreferencesParts "/dev/null";
		Dir::State::Lists "$APT/lists";
		Dir::Cache "$APT/cache";
		APT::Default-Release "";
		APT::Sandbox::User "";
		APT::Update::Error-Mode "any";
		Acquire::Languages "none";
		Acquire::Retries "2";
		Acquire::http::Timeout "60";
		Acquire::https::Timeout "60";
		Acquire::IndexTargets::deb::Packages::DefaultEnabled "true";
		Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
		Acquire::IndexTargets::deb::DEP-11-icons-small::DefaultEnabled "false";
		Acquire::IndexTargets::deb::DEP-11-icons::DefaultEnabled "false";
		Acquire::IndexTargets::deb::DEP-11-icons-hidpi::DefaultEnabled "false";
		Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
	EOF
	if [ -n "${2:-}" ]; then
		# apt appends to the list, so clear it first.
		printf '%s\n' "APT::Architecture \"$2\";" '#clear APT::Architectures;' "APT::Architectures { \"$2\"; };" >>"$APT/apt.conf"
	fi
	progress_start "fetching the package index of $1${2:+ for $2}" 0 nothing
	_status=0
	LC_ALL=C APT_CONFIG=$APT/apt.conf apt-get -q update >"$APT/log" 2>&1 || _status=$?
	progress_stop
	return $_status
}

# debian_has_suite SUITE WHAT_TO_DO: like debian_suite, and fails if the mirror does not
# carry that suite. Any other failure would hit all suites, and ends the script.
debian_has_suite()
{
	if debian_suite "$1"; then
		return 0
	fi
	grep -q ' 404 ' "$APT/log" ||
		die "could not fetch the package index of $1: $(debian_error): check the network$2"
	return 1
}

# debian_version PACKAGE: the version that the suite has, nothing if it has none.
debian_version()
{
	LC_ALL=C APT_CONFIG=$APT/apt.conf apt-cache madison "$1" 2>/dev/null |
		awk -F ' *\\| *' '{ print $2; exit }'
}

# debian_versions PACKAGE: all versions that the suite has.
debian_versions()
{
	LC_ALL=C APT_CONFIG=$APT/apt.conf apt-cache madison "$1" 2>/dev/null | awk -F ' *\\| *' '{ print $2 }'
}

# debian_depends PACKAGE: its dependencies, one name a line.
debian_depends()
{
	LC_ALL=C APT_CONFIG=$APT/apt.conf apt-cache depends --important --no-recommends --no-suggests "$1" 2>/dev/null |
		sed -n 's/^ *|\{0,1\}Depends: \(.*\)$/\1/p'
}

# debian_parts RELEASE: the packages of a kernel and its headers.
debian_parts()
{
	for _prefix in linux-image linux-binary linux-base linux-headers; do
		[ -z "$(debian_version "$_prefix-$1")" ] || echo "$_prefix-$1"
	done
	debian_depends "linux-headers-$1" | grep -E '^linux-(headers-.*common|kbuild)'
}

# debian_packages PREFIX: the suite's packages whose names begin with PREFIX.
debian_packages()
{
	LC_ALL=C APT_CONFIG=$APT/apt.conf apt-cache pkgnames "$1" 2>/dev/null | sort -V
}

# debian_size PACKAGE: the size of the download, in KiB.
debian_size()
{
	LC_ALL=C APT_CONFIG=$APT/apt.conf apt-cache show --no-all-versions "$1" 2>/dev/null |
		awk '$1 == "Size:" { print int($2 / 1024); exit }'
}

# debian_download PACKAGE DIR: downloads it to DIR; apt checks signature and hash.
debian_download()
{
	(cd "$2" && LC_ALL=C APT_CONFIG=$APT/apt.conf apt-get -q download "$1" >>"$APT/log" 2>&1)
}

# debian_error: apt's error message about the suite.
debian_error()
{
	apt_error "$APT/log"
}
