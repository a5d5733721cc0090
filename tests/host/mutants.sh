#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# ksft-kernel: any
#
# Runs on the host: which mutants there are of a small program, and what each of them does.
# "make mutants" itself takes too long.

top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/lib/ktap.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

rustc=$("$top/scripts/toolchain.sh" none 2>/dev/null | sed -n 's/^RUSTC=//p')
[ -n "$rustc" ] || ktap_skip_all "there is no rustc"

ktap_plan 7
mkdir -p "$work/code/kthread" "$work/new"
cat >"$work/code/kthread/mod.rs" <<'EOF'
use std::sync::{atomic::{AtomicU32, Ordering::{Acquire, Relaxed, Release}}, Mutex};

/// Not in a comment: if true { drop(x) }.
pub const LIMIT: u32 = 3 + 1;
static STATE: AtomicU32 = AtomicU32::new(0);
static LOCK: Mutex<()> = Mutex::new(());

pub struct Noisy(pub &'static str);

impl Drop for Noisy {
    fn drop(&mut self) {
        print!("{} ", self.0);
    }
}

pub const fn constant(a: u32) -> bool {
    a == 1
}

pub fn is_small(n: u32) -> bool {
    n < LIMIT // and n > 0
}

pub fn bump(mut n: u32) -> u32 {
    let flag = true;
    if n != 2 && !(n == 9) {
        n += 5;
    }
    match n {
        7 => n + 1,
        _ if flag => {
            n * 2
        }
        _ => 0,
    }
}

pub fn store() {
    let _guard = LOCK.lock();
    STATE.store(7, Release);
    print!("{} {} ", STATE.load(Acquire), LOCK.try_lock().is_err());
    drop(Noisy("dropped"));
    let _ = STATE.swap(7, Relaxed);
}

#[cfg(kthread_kunit)]
mod tests {
    fn not_in_tests() {
        drop(1 + 1);
    }
}
EOF
"$top/proofs/mutate.py" "$work/code" "$work/new" >"$work/list" 2>"$work/log"
ktap_eq 'the mutants of a file' "20: is_small no 1: return false;
20: is_small yes 1: return true;
21: is_small swap 1: '<' is '<='
25: bump literal 1: 'true' is 'false'
26: bump no 1: 'n != 2 && !(n == 9)' is false
26: bump not 1: without !
26: bump swap 1: '!=' is '=='
26: bump swap 2: '&&' is '||'
26: bump swap 3: '==' is '!='
26: bump yes 1: 'n != 2 && !(n == 9)' is true
27: bump omit 1: without 'n += 5;'
30: bump bound 1: without '+ 1'
38: store empty 1: return;
39: store unlocked 1: 'LOCK.lock()' is dropped at once
40: store omit 1: without 'STATE.store(7, Release);'
40: store relaxed 1: 'Release' is 'Relaxed'
42: store leak 1: 'drop(' is '::core::mem::forget('
42: store omit 2: without 'drop(Noisy(\"dropped\"));'" \
	"$(sed 's/^[0-9]* kthread.mod.rs:\([0-9]*\): kthread.mod.rs /\1: /' "$work/list" | LC_ALL=C sort -t : -k 1n -k 2)" ||
	ktap_diag "$(cat "$work/log")"
ktap_eq 'the lines keep their numbers' "$(grep -n '^pub fn' "$work/code/kthread/mod.rs")" "$(grep -n '^pub fn' "$work/new/kthread/mod.rs" | sed 's/ {if .*/ {/')"

cat >>"$work/new/kthread/mod.rs" <<'EOF'
pub fn is_mutant(number: u32) -> bool {
    std::env::var("MUTANT").is_ok_and(|active| active == number.to_string())
}
EOF
cat >"$work/new/main.rs" <<'EOF'
mod kthread;
use kthread::*;
fn main() {
    print!("{} {} {} {} {} ", is_small(3), is_small(4), bump(2), bump(3), bump(9));
    store();
    println!(".");
}
EOF
"$rustc" --edition 2021 -A warnings -o "$work/program" "$work/new/main.rs" >"$work/log" 2>&1
ktap_eq 'all of them compile in one program' 0 $? || ktap_diag "$(cat "$work/log")"
plain=$("$work/program" 2>&1)
ktap_eq 'which without one does what the code does' 'true false 4 16 18 7 true dropped .' "$plain"

# number NAME: the number of a mutant.
number()
{
	sed -n "s/^\([0-9]*\) [^ ]* kthread.mod.rs $1: .*/\1/p" "$work/list"
}

seen=
for line in 'is_small swap 1' 'bump swap 1' 'bump yes 1' 'bump bound 1' 'bump literal 1' 'store unlocked 1' 'store leak 1' 'store empty 1'; do
	seen="$seen$line: $(MUTANT=$(number "$line") "$work/program" 2>&1)
"
done
ktap_eq 'and with one what the mutant does' 'is_small swap 1: true true 4 16 18 7 true dropped .
bump swap 1: true false 8 6 18 7 true dropped .
bump yes 1: true false 8 16 28 7 true dropped .
bump bound 1: true false 4 16 18 7 true dropped .
bump literal 1: true false 0 0 0 7 true dropped .
store unlocked 1: true false 4 16 18 7 false dropped .
store leak 1: true false 4 16 18 7 true .
store empty 1: true false 4 16 18 .' "${seen%?}"

"$top/proofs/mutate.py" >"$work/log" 2>&1
ktap_match 'without a folder it says what it takes' '1 usage: mutate.py *' "$? $(cat "$work/log")"
"$top/proofs/mutate.py" "$top" >"$work/all"
unknown=$(sed -n '/^#/!s/: .*//p' "$top/proofs/survivors" | while IFS= read -r name; do
	grep -qF ": $name: " "$work/all" || echo "$name"
done)
ktap_eq 'each known survivor is a mutant of kthread/' '' "$unknown"
ktap_finished
