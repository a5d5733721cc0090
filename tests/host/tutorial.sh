#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# ksft-kernel: any
#
# Runs on the host: the commands of docs/tutorial.md print what it shows. First, a check that
# wrong pages are detected.

KERNEL=${1:-${KERNEL:-fast}}
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib/ktap.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME="${XDG_CACHE_HOME:-$HOME/.cache}" HOME="$work"

# page NAME STATUS [PATTERN]: the result for a page on standard input.
page()
{
	cat >"$work/page"
	said=$(python3 "$top/tests/host/tutorial.py" "$work/page" "$work")
	ktap_match "$1" "$2 *${3:-}*" "$? $said"
}

ktap_plan 10

page 'what is as shown is accepted' 0 <<'END'
    $ echo 12 0.5 "  x"
    12 3.7 x
END
page 'parts and lines may be left out where it says so' 0 <<'END'
    $ seq 4 | sed 's/$/ of the count/'; echo end
    1 of ...
    ...
    end
END
page 'a file is written, and is there for the next command' 0 <<'END'
```sh one.sh
echo it "$1"
```

    $ sh one.sh \
    > runs
    it runs
    $ mkdir sub; cd sub
    $ ls ../one.sh
    ../one.sh
END
page 'another word is told' 1 'not as shown: one' <<'END'
    $ echo two
    one
END
page 'a line that is missing is told' 1 'not as shown: two' <<'END'
    $ echo one
    one
    two
END
page 'a line that is not shown is told' 1 'not as shown: the end' <<'END'
    $ echo one; echo two
    one
END
page 'nothing may come between' 1 'not as shown: three' <<'END'
    $ printf '%s\n' one two three
    one
    three
END
page 'a command that fails is told' 1 'the command failed: 3' <<'END'
    $ echo one; (exit 3)
    one
END
page 'a page without commands is told' 1 <<'END'
Nothing.
END

# This checkout is in use, so use a copy that shares its build.
mkdir -p "$work/lab/build"
tar -C "$top" --exclude=./build --exclude=./.git -cf - . | tar -C "$work/lab" -xf -
ln -s "$top/build/$KERNEL" "$work/lab/build/$KERNEL"
cat >"$work/lab/scripts/prepare.sh" <<'END'
#!/bin/sh
. "$(dirname "$0")/lib.sh"
[ "$1" != --demo ] || shift
shift
cd "$TOP" || exit 1
[ $# -eq 0 ] || attached "$@"
END
python3 "$top/tests/host/tutorial.py" "$top/docs/tutorial.md" "$work/lab" >"$work/log" 2>&1
ktap_eq 'the tutorial shows what comes' 0 $? || ktap_diag "$(cat "$work/log")"
ktap_diag "$(grep -c '^ok' "$work/log") commands were typed"
ktap_finished
