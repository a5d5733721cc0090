#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# docs/debugfs.md lists exactly the keys, commands and parameters that exist.

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"

REFERENCE=$(dirname "$0")/../docs/debugfs.md

# column SECTION N: the words in backticks in the Nth column of the section's table, a line each.
column()
{
	awk -v title="## $1" -v n="$2" '
		/^## / { inside = ($0 == title) }
		inside && /^\| `/ {
			gsub(/\\\|/, "\001")
			split($0, cells, / *\| */)
			cell = cells[n + 1]
			gsub(/\001/, "|", cell)
			gsub(/`/, "", cell)
			print cell
		}' "$REFERENCE"
}

# keys FILE...: the first words of the lines that are not indented.
keys()
{
	cat "$@" | sed -n 's/^\([^ \t]*\).*/\1/p' | grep .
}

[ -r "$REFERENCE" ] || ktap_skip_all 'docs/ is not installed with the tests'
ktap_plan 12

demo_load workers=0 max_workers=4
do_all 'run a' 'run b' 'park b' 'create c' 'run p kind=periodic' 'wake a'
wait_for 10 is a runs 1
do_all 'park a' 'unpark a'

ktap_eq 'control' "$(column control 1)" "$(grep -v '^	' "$DEMO/control")"
ktap_eq 'stats' "$(column stats 1)" "$(keys "$DEMO/stats")"
ktap_eq 'latency' "$(column latency 1)" "$(keys "$DEMO/latency")"
ktap_eq 'latency of a worker' "$(column latency 1)" "$(keys "$DEMO/workers/a/latency")"
ktap_eq 'stats of a worker' "$(column workers/NAME/stats 1)" "$(keys "$DEMO/workers/a/stats")"
ktap_eq 'identity of a worker' "$(column workers/NAME/identity 1)" "$(keys "$DEMO/workers/a/identity")"
# A stopped worker has no files any more.
ktap_eq 'lifecycle of a worker' "$(column workers/NAME/lifecycle 1 | grep -v -x -e stop_requested -e returned | sort)" \
	"$(cut -d ' ' -f 2 "$DEMO/workers/a/lifecycle" | sort -u)"
ktap_eq 'all files have a section' "$(sed -n 's/^## \([a-z].*\)/\1/p' "$REFERENCE" | sort)" \
	"$(cd "$DEMO" && find control stats latency workers/a -type f ! -path 'workers/a/latency' |
		sed 's|/a/|/NAME/|' | sort)"
ktap_eq 'parameters' "$(column Parameters 1 | sort)" \
	"$(modinfo "$MODULE" | sed -n 's/^parm: *\([a-z_]*\):.*/\1/p' | sort)"
wrong=
tried=0
column Errors 1 >/tmp/errnos
column Errors 3 >/tmp/examples
while read -r errno && read -r example <&9; do
	[ -n "$example" ] || continue
	tried=$((tried + 1))
	got=$(control "$example")
	[ "$got" = "$errno" ] || wrong="$wrong '$example' gives $got,"
done </tmp/errnos 9</tmp/examples
ktap_eq 'examples of errors' '' "$wrong"
ktap_ok_if 'they were tried' [ $tried -ge 9 ]
ktap_eq 'errors that tests/errnos.sh expects' '' "$(sed -n 's/^refused \([A-Z0-9]*\) .*/\1/p' "$(dirname "$0")/errnos.sh" |
	sort -u | grep -v -x -f /tmp/errnos)"
rm /tmp/errnos /tmp/examples
demo_unload
ktap_finished
