// SPDX-License-Identifier: GPL-2.0

//! Copies `kthread/` to where it is compiled, as it is but for what is replaced below.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// What is replaced in all files. docs/proofs.md has this list, too.
const REPLACED: &[(&str, &str)] = &[
    // `UnsafeCell` is the one of the model.
    ("use core::", "use kernel::rust_core::"),
    // Volatile accesses go to the machine, as those of `Atomic` do.
    (".read_volatile()", ".model_read()"),
    (".write_volatile(", ".model_write("),
    // Which accesses to a cell only read is not told by its type.
    ("(*self.task.get())", "(*self.task.get_to_read())"),
    ("(*T::slot().shared.get())?", "(*T::slot().shared.get_to_read())?"),
];

/// Lines that are left out: macros of pin-init that prove what the model does not.
const LEFT_OUT: &[&str] = &["#[pin_data]", "#[pin]"];

/// What comes at the end of each file.
const ADDED: &str = "#[allow(unused_imports)]\nuse kernel::atomic::{Volatile as _, VolatileMut as _};\n";

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());

        if path.is_dir() {
            copy(&path, &target);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let mut text: String = text
                .lines()
                .map(|line| if LEFT_OUT.contains(&line.trim()) { "" } else { line })
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

    println!("cargo::rerun-if-env-changed=MODEL_CODE");
    println!("cargo::rerun-if-changed={}", kthread.display());
    let copied = out.join("kthread");
    let _ = fs::remove_dir_all(&copied);
    copy(&kthread, &copied);
    fs::write(
        out.join("kthread.rs"),
        format!("#[path = {:?}]\npub mod kthread;\n", copied.join("mod.rs")),
    )
    .unwrap();
}
