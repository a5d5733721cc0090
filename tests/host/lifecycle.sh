#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# ksft-kernel: any
#
# Runs on the host: the page of "make trace" explains each row, links to the lines of the
# functions in the kernel tree, and works in a browser. The last part is skipped without
# Chromium.

. "$(dirname "$0")/../lib/ktap.sh"

top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
tree=$("$top/scripts/kernel-source.sh") || exit 1
page=$work/lifecycle.html

# wrong_links: the links of the page to lines without the function.
wrong_links()
{
	grep -o 'elixir[^"]*"[^>]*>[a-z_]*(), ' "$page" |
		sed -n 's|elixir.bootlin.com/linux/v[0-9.]*/source/\([^#]*\)#L\([0-9]*\)".*>\([a-z_]*\)(), |\1 \2 \3|p' | sort -u >"$work/links"
	while read -r file line name; do
		sed -n "${line}p" "$tree/$file" | grep -q "\\b$name(" || echo "$file:$line: $name"
	done <"$work/links"
}

ktap_plan 8

"$top/trace/page.py" "$top/docs/lifecycle.trace" 7.3.4 "$page" "$tree" 2>"$work/log"
ktap_eq 'the page is made' '0 ' "$? $(cat "$work/log")"
ktap_eq 'links lead to the lines where the functions are' '' "$(wrong_links)"
ktap_ok_if 'there are many' [ "$(grep -c '' "$work/links")" -gt 15 ]
ktap_eq 'each row is explained' '' "$(grep '<li class="entry"' "$page" | grep -v 'class="what"')"
ktap_eq 'it loads nothing' '' "$(grep -noE '(src|srcset|data)=|@import|url\(|<link|<iframe|fetch\(|XMLHttp' "$page")"
"$top/trace/page.py" "$top/docs/lifecycle.trace" 7.4.0 "$work/other.html"
ktap_eq 'without a tree the links lead to names' 'linux/v7.4/A/ident/kthread_stop' \
	"$(grep -o 'linux/v[^"]*kthread_stop' "$work/other.html" | sort -u)"
echo nothing >"$work/none"
said=$("$top/trace/page.py" "$work/none" 7.3.4 "$work/none.html" 2>&1)
ktap_match 'what is no trace is refused' '1 page.py: *' "$? $said"

for browser in chromium chromium-browser google-chrome; do
	command -v "$browser" >/dev/null && break
	browser=
done
if [ -z "$browser" ]; then
	ktap_skip 'it works in a browser' 'there is no Chromium (apt-get install chromium)'
	ktap_finished
fi
HOME=$work python3 "$top/tests/host/lifecycle.py" "$browser" "$page" "$work/profile" >"$work/log" 2>&1
ktap_eq 'it works in a browser' 0 $? || ktap_diag "$(cat "$work/log")"
ktap_finished
