#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on the host: scripts/setup.sh with a fake apt and a fake sudo. One program is missing,
# and the apt of each case installs it, or fails.
#
# shellcheck disable=SC2016 # what is in quotes is a program of its own
#
# ksft-kernel: any

top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib/ktap.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
chmod 755 "$work"

# All programs of this machine except the missing one.
mkdir "$work/few"
find /usr/local/bin /usr/sbin /usr/bin /bin -maxdepth 1 -name '[!.]*' -exec ln -sf -t "$work/few" {} +
rm -f "$work/few/flex"

# An unprivileged user, with readable copies of this checkout and its tools.
other=
[ "$(id -u)" -ne 0 ] || other="setpriv --reuid=65534 --regid=65534 --clear-groups env TMPDIR=$work/tmp"
mkdir "$work/lab"
mkdir -m 1777 "$work/tmp"
$other test -x "$work/few" || ktap_skip_all "another user has no access to $work: set TMPDIR to a directory that is open"
tar -C "$top" -cf - scripts qemu/config qemu/arch qemu/project.conf | tar -C "$work/lab" -xf -
bindgen=$("$top/scripts/toolchain.sh" gcc | sed -n 's/^BINDGEN=//p')
if ! $other test -x "$bindgen"; then
	cp -R "$(dirname "$bindgen")" "$work/bindgen"
	bindgen=$work/bindgen/bindgen
fi
chmod -R go+rX "$work/lab" "$work"/bindgen* 2>/dev/null

fake()
{
	printf '#!/bin/sh\n%s\n' "$2" >"$work/bin/$1"
	chmod 755 "$work/bin/$1"
}

# apt UPDATE INSTALL: sets what apt-get does; it records each call.
apt()
{
	rm -rf "${work:?}/bin" "$work/cache" "$work/calls"
	mkdir -m 777 "$work/bin" "$work/cache"
	: >"$work/calls"
	chmod 666 "$work/calls"
	fake apt-get '
echo "$LC_ALL $*" >>'"$work/calls"'
calls=$(grep -c "" '"$work/calls"')
have() { printf "#!/bin/sh\n" >'"$work/bin/flex"'; chmod 755 '"$work/bin/flex"'; }
case " $* " in
*" update "*) '"$1"' ;;
*" install "*) '"$2"' ;;
esac'
	fake apt-cache 'echo "  Candidate: 2.6"'
	# Becomes root for any caller, and passes on as little as the real sudo.
	fake sudo '[ "$1" != -n ] && [ "$1" != -v ] || exit 0; exec env -i PATH="$PATH" "$@"'
}

# setup [OPTION]: runs setup.sh without a terminal, and sets $said and $status.
setup()
{
	# shellcheck disable=SC2086 # words
	said=$($as env -u MAKEFLAGS PATH="$work/bin:$work/few" HOME="$work" XDG_CACHE_HOME="$work/cache" \
		BINDGEN="$bindgen" LANG=de_DE.UTF-8 LC_ALL=de_DE.UTF-8 \
		setsid "$work/lab/scripts/setup.sh" "$@" </dev/null 2>&1)
	status=$?
}

held="echo 'E: Could not get lock /var/lib/apt/lists/lock. It is held by process 4711 (unattended-upgr)'; exit 100"

ktap_plan 17
as=$other

apt true have
setup
ktap_eq "what is missing is installed" 0 "$status"
ktap_eq "apt speaks English to us" C "$(cut -d ' ' -f 1 "$work/calls" | sort -u)"

apt true 'echo "$http_proxy $no_proxy" >>'"$work/cache/proxies; have"
http_proxy=http://proxy:8080 no_proxy=here setup
ktap_eq "a proxy of the environment is one for apt" "0 http://proxy:8080 here" "$status $(cat "$work/cache/proxies")"

apt "[ \$calls -gt 2 ] || { $held; }" have
setup
ktap_eq "the lists are waited for" "0 3" "$status $(grep -c update "$work/calls")"
ktap_eq "and it is said once for whom" 1 \
	"$(printf '%s\n' "$said" | grep -c 'waiting up to five minutes for process 4711 (unattended-upgr), which holds /var/lib/apt/lists/lock$')"

apt true "[ \$calls -gt 2 ] || { echo 'E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 12 (apt)'; exit 100; }; have"
setup
ktap_match "so is dpkg" "0 *for process 12 (apt), which holds /var/lib/dpkg/lock-frontend*" "$status $said"

apt "$held" have
fake date 'n=$(cat '"$work/cache/now"' 2>/dev/null || echo 1); echo $((n + 100)) >'"$work/cache/now"'; echo $n'
setup
ktap_match "but not for ever" "1 *gave up after five minutes of waiting for process 4711*" "$status $said"

third="echo 'E: Failed to fetch https://third.example/InRelease  404  Not Found'; echo 'E: Some index files failed to download.'; exit 100"
apt "$third" have
setup
ktap_match "a source that is broken does not matter if all is on offer" "0 *third.example*404*going on*" "$status $said"

apt "$third" have
fake apt-cache 'echo "  Candidate: (none)"'
setup
ktap_match "else its failure is the reason" "1 *Failed to fetch https://third.example/InRelease*do not offer flex*" "$status $said"
ktap_eq "and nothing is installed" 0 "$(grep -c install "$work/calls")"

apt true "echo 'E: Unable to correct problems, you have held broken packages.'; exit 100"
setup
ktap_match "why apt did not install is said" "1 *apt-get install failed: Unable to correct problems*" "$status $said"

apt true have
fake sudo '[ "$1" != -n ] || exit 1; echo "sudo: a terminal is required" >&2; exit 1'
setup
ktap_match "a sudo that asks, and no terminal" "1 *asks for a password to install packages, and there is no terminal*apt-get install*" "$status $said"
ktap_eq "is found before apt is run" 0 "$(grep -c '' "$work/calls")"

# On a terminal the prompt stays until it is answered, longer than the period of a progress line.
cat >"$work/terminal.py" <<'END'
import os, pty, select, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
seen = b""
def read(seconds, until=None):
    global seen
    end = time.monotonic() + seconds
    while time.monotonic() < end and not (until and until in seen):
        if select.select([fd], [], [], 0.1)[0]:
            try:
                data = os.read(fd, 4096)
            except OSError:
                return
            if not data:
                return
            seen += data
read(60, b"password: ")
asked = len(seen)
read(3)
quiet = len(seen) == asked
os.write(fd, b"secret\n")
read(60)
print("quiet" if quiet else "disturbed by %r" % seen[asked:], "status", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
terminal()
{
	# shellcheck disable=SC2086 # words
	$as "$work/few/python3" "$work/terminal.py" env -u MAKEFLAGS PATH="$work/bin:$work/few" HOME="$work" \
		XDG_CACHE_HOME="$work/cache" BINDGEN="$bindgen" TERM=dumb "$work/lab/scripts/setup.sh" 2>&1 | tail -n 1
}
ask="printf 'password: ' >/dev/tty; read -r answer </dev/tty; [ \"\$answer\" = secret ] || exit 1"
apt true have
fake sudo "case \$1 in -n) [ -f $work/cache/known ] || exit 1; exit 0 ;; -v) $ask; : >$work/cache/known; exit 0 ;; esac; exec \"\$@\""
ktap_eq "the question for a password stands" "quiet status 0" "$(terminal)"
apt true have
fake sudo "case \$1 in -n) exit 1 ;; -v) exit 0 ;; esac; [ -f $work/cache/known ] || { $ask; : >$work/cache/known; }; exec \"\$@\""
ktap_eq "where sudo forgets at once, too" "quiet status 0" "$(terminal)"

# As on Debian 12, which has no package of bindgen.
apt true true
fake cargo true
bindgen=$work/none setup --model
ktap_eq "the model needs no bindgen" "0 0" "$status $(grep -c '' "$work/calls")"

fake uname 'echo mips64'
: >"$work/calls"
setup
ktap_match "another architecture is refused before anything is fetched" "1 *is mips64*only works on arm64 and x86_64:* 0" "$status $said $(grep -c '' "$work/calls")"
ktap_finished
