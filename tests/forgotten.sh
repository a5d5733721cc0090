#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Files of debugfs whose handles are leaked or outlive their owner: none outlives the
# module. The lab builds a module with such files.

. "$(dirname "$0")/lib/ktap.sh"
. "$(dirname "$0")/lib/demo.sh"

MODULE=kthread_forgetful
DEMO=/sys/kernel/debug/$MODULE

# dropped: the numbers of the files whose data was dropped since the last load.
dropped()
{
	dmesg | sed -n "s/.*$MODULE: //p" | awk '/^begin/ { all = ""; next } /^dropped/ { all = all " " $2 } END { print all }' |
		xargs -n 1 | sort -nu | xargs
}

# begin: ignores earlier drops.
begin()
{
	echo "$MODULE: begin" >/dev/kmsg
}

modinfo $MODULE >/dev/null 2>&1 || ktap_skip_all 'the module is not built: KTHREAD_TESTS=1 makes it'
ktap_plan 18

begin
modprobe $MODULE || ktap_bail "$MODULE does not load"
ktap_eq 'what has been dropped is not there' 'cycle deep dir file kept many thread' "$(cd $DEMO && echo *)"
ktap_eq 'and its data is gone' '4 8 9' "$(dropped)"
ktap_ok_if 'a root that a file in it owns ends with the file' [ ! -e /sys/kernel/debug/kthread_owned ]
ktap_eq 'a leaked file can be read' 1 "$(cat $DEMO/file)"
ktap_eq 'a file in a leaked directory' 2 "$(cat $DEMO/dir/file)"
ktap_eq 'a leaked file keeps its directory' 3 "$(cat $DEMO/kept/file)"
ktap_eq 'a directory of which a reference was leaked' '' "$(ls $DEMO/many)"
ktap_eq 'a file of a thread' 5 "$(cat $DEMO/thread/file)"
ktap_eq 'a file that its data owns' 6 "$(cat $DEMO/cycle/file)"
deep=$DEMO/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep
ktap_eq 'a leaked file far below' 7 "$(cat $deep/file)"

exec 3<$DEMO/file
error=$(rmmod $MODULE 2>&1)
ktap_match 'a leaked file that is open keeps the module' '*Resource temporarily unavailable*' "$error"
exec 3<&-
# Also for files that were never opened.
ktap_eq 'when the module is unloaded all are gone' ENOENT "$(opath $DEMO/dir/file "cd / && rmmod $MODULE")"
ktap_ok_if 'nothing is left' demo_is_gone
cat $DEMO/file >/dev/null 2>&1
ktap_eq 'a leaked file does not open any more' 1 $?
ktap_eq 'the data of all files is gone' '0 1 2 3 4 5 6 7 8 9' "$(dropped)"
ktap_match 'nothing can be made in a directory that is gone' '*a late file Some(ENOENT), a late directory Some(ENOENT)*' \
	"$(dmesg | grep "$MODULE: a late")"

begin
error=$(modprobe $MODULE fail=1 2>&1)
ktap_match 'a load that fails after all has been made' '*Input/output error*' "$error"
ktap_eq 'leaves nothing' '0 1 2 3 4 5 6 7 8 9' "$([ -e $DEMO ] || dropped)"

ktap_finished
