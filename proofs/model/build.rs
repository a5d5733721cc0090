// SPDX-License-Identifier: GPL-2.0

//! Copies `kthread/` into the build directory, with the replacements below.

use std::{
    cmp::Reverse,
    env, fs,
    iter::Peekable,
    ops::Range,
    path::{Path, PathBuf},
    slice::Iter,
};

/// The replacements in all files, which docs/proofs.md lists as well.
const REPLACED: &[(&str, &str)] = &[
    // Use the model's `UnsafeCell`.
    ("use core::", "use kernel::rust_core::"),
    // Volatile accesses go through the machine, like those of `Atomic`.
    (".read_volatile()", ".model_read()"),
    (".write_volatile(", ".model_write("),
    // The type of a cell does not say which accesses only read.
    ("(*self.task.get())", "(*self.task.get_to_read())"),
    (
        "(*T::slot().shared.get())?",
        "(*T::slot().shared.get_to_read())?",
    ),
];

/// Removed lines: macros of pin-init, whose proofs the model does not need.
const LEFT_OUT: &[&str] = &["#[pin_data]", "#[pin]"];

/// Appended to each file.
const ADDED: &str =
    "#[allow(unused_imports)]\nuse kernel::atomic::{Volatile as _, VolatileMut as _};\n";

/// A place in a file, with its code and the broken code.
struct Hunk {
    number: usize,
    name: String,
    file: String,
    function: String,
    old: String,
    new: String,
}

/// Reads `breaks/`.
///
/// Each file has comments, and then hunks that begin with `@ FILE FUNCTION`, with the existing
/// lines and their replacement.
fn read_breaks(dir: &Path) -> (Vec<String>, Vec<Hunk>) {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut hunks = Vec::new();

    names.sort();
    for (number, name) in names.iter().enumerate() {
        for hunk in fs::read_to_string(dir.join(name))
            .unwrap()
            .split("\n@ ")
            .skip(1)
        {
            let (place, lines) = hunk.split_once('\n').unwrap();
            let (file, function) = place.split_once(' ').unwrap();
            let part = |sign| {
                let lines: Vec<&str> = lines
                    .lines()
                    .filter_map(|line| line.strip_prefix(sign))
                    .collect();
                lines.join("\n")
            };

            hunks.push(Hunk {
                // Zero means no break.
                number: number + 1,
                name: name.clone(),
                file: file.into(),
                function: function.into(),
                old: part('-'),
                new: part('+'),
            });
        }
    }
    (names, hunks)
}

/// Finds the place of a hunk.
fn find(text: &str, hunk: &Hunk) -> Range<usize> {
    let Hunk {
        name,
        file,
        function,
        old,
        ..
    } = hunk;
    let begin = text
        .match_indices(&format!("fn {function}"))
        .map(|(at, found)| at + found.len())
        .find(|at| text[*at..].starts_with(['(', '<']))
        .unwrap_or_else(|| panic!("breaks/{name}: there is no function {function} in {file}"));
    let at = text[begin..]
        .find(old.as_str())
        .unwrap_or_else(|| panic!("breaks/{name}: there is no '{old}' in {function} of {file}"));

    begin + at..begin + at + old.len()
}

/// Makes the code of a range choose at run time between the original and the broken version.
///
/// The hunks are sorted, with nested ones after the enclosing one.
fn break_up(
    text: &str,
    range: Range<usize>,
    hunks: &mut Peekable<Iter<'_, (Range<usize>, &Hunk)>>,
) -> String {
    let mut broken = String::new();
    let mut at = range.start;

    while let Some((place, hunk)) = hunks.next_if(|(place, _)| place.start < range.end) {
        let Hunk {
            number,
            name,
            old,
            new,
            ..
        } = hunk;
        assert!(
            place.start >= at && place.end <= range.end,
            "breaks/{name}: it overlaps another"
        );
        let (open, close) = if old.ends_with([';', '}']) {
            ("", "")
        } else {
            ("(", ")")
        };

        broken += &text[at..place.start];
        let old = break_up(text, place.clone(), hunks);
        broken += &format!(
            "{open}if !kernel::is_broken({number}) {{\n{old}\n}} else {{\n{new}\n}}{close}"
        );
        at = place.end;
    }
    broken + &text[at..range.end]
}

fn copy(from: &Path, to: &Path, name: &str, hunks: &[Hunk]) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        let inner = format!("{name}/{}", path.file_name().unwrap().to_str().unwrap());

        if path.is_dir() {
            copy(&path, &target, &inner, hunks);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let mut text = fs::read_to_string(&path).unwrap();

            let mut here: Vec<_> = hunks
                .iter()
                .filter(|hunk| hunk.file == inner)
                .map(|hunk| (find(&text, hunk), hunk))
                .collect();

            here.sort_by_key(|(place, _)| (place.start, Reverse(place.end)));
            text = break_up(&text, 0..text.len(), &mut here.iter().peekable());
            let mut text: String = text
                .lines()
                .map(|line| {
                    if LEFT_OUT.contains(&line.trim()) {
                        ""
                    } else {
                        line
                    }
                })
                .flat_map(|line| [line, "\n"])
                .collect();

            for (old, new) in REPLACED {
                text = text.replace(old, new);
            }
            text.push_str(ADDED);
            fs::write(target, text).unwrap();
        }
    }
}

fn main() {
    let code = env::var("MODEL_CODE").unwrap_or_else(|_| "../..".into());
    let kthread = PathBuf::from(code).join("kthread");
    let out = PathBuf::from(env::var("OUT_DIR").unwrap());

    println!("cargo::rustc-cfg=CONFIG_FREEZER");
    println!("cargo::rustc-cfg=CONFIG_HOTPLUG_CPU");
    println!("cargo::rustc-cfg=CONFIG_MODULES");
    println!("cargo::rerun-if-env-changed=MODEL_CODE");
    println!("cargo::rerun-if-env-changed=MODEL_BREAKS");
    println!("cargo::rerun-if-changed={}", kthread.display());
    let copied = out.join("kthread");
    let _ = fs::remove_dir_all(&copied);
    let (names, hunks) = match env::var("MODEL_BREAKS") {
        Ok(dir) => {
            println!("cargo::rerun-if-changed={dir}");
            read_breaks(Path::new(&dir))
        }
        Err(_) => (Vec::new(), Vec::new()),
    };
    copy(&kthread, &copied, "kthread", &hunks);
    fs::write(
        out.join("kthread.rs"),
        format!(
            "#[path = {:?}]\npub mod kthread;\npub const BREAKS: &[&str] = &{names:?};\n",
            copied.join("mod.rs")
        ),
    )
    .unwrap();
}
