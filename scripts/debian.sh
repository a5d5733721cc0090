# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Packages of newer Debian suites from the machine's own mirror, without a
# change to the machine's apt: all state is below $CACHE/apt. Sourced after
# lib.sh, never run.

# Prints the mirror that the machine itself uses. A mirror is told from other
# repositories by what its Release file says, or, where no index was ever
# fetched, by serving the suite of this release.
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

# debian_suite SUITE: fetches the suite's package index; the functions below then
# see that suite alone. What apt said is in $CACHE/apt/SUITE/log.
debian_suite()
{
	APT=$CACHE/apt/$1
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
		Acquire::Retries "1";
		Acquire::http::Timeout "30";
		Acquire::https::Timeout "30";
		Acquire::IndexTargets::deb::Packages::DefaultEnabled "true";
		Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
		Acquire::IndexTargets::deb::DEP-11-icons-small::DefaultEnabled "false";
		Acquire::IndexTargets::deb::DEP-11-icons::DefaultEnabled "false";
		Acquire::IndexTargets::deb::DEP-11-icons-hidpi::DefaultEnabled "false";
		Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
	EOF
	APT_CONFIG=$APT/apt.conf apt-get -q update >"$APT/log" 2>&1
}

# debian_version PACKAGE: the version that the suite has, nothing if it has none.
debian_version()
{
	APT_CONFIG=$APT/apt.conf apt-cache madison "$1" 2>/dev/null |
		awk -F ' *\\| *' '{ print $2; exit }'
}

# debian_packages PREFIX: the names of the suite's packages that begin so.
debian_packages()
{
	APT_CONFIG=$APT/apt.conf apt-cache pkgnames "$1" 2>/dev/null | sort -V
}

# debian_size PACKAGE: how much there is to download, in KiB.
debian_size()
{
	APT_CONFIG=$APT/apt.conf apt-cache show --no-all-versions "$1" 2>/dev/null |
		awk '$1 == "Size:" { print int($2 / 1024); exit }'
}

# debian_download PACKAGE DIR: apt checks signature and hash itself.
debian_download()
{
	(cd "$2" && APT_CONFIG=$APT/apt.conf apt-get -q download "$1" >>"$APT/log" 2>&1)
}

# debian_error: the first line of apt's own complaint about the suite.
debian_error()
{
	sed -n 's/^[EW]: *//p' "$APT/log" 2>/dev/null | head -n 1
}
