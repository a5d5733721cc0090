#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: rust-analyzer.sh NAME
#
# Writes rust-project.json, with which rust-analyzer knows the module and the
# kernel crate of the kernel NAME.

. "$(dirname "$0")/lib.sh"

name=${1:?usage: rust-analyzer.sh NAME}
cd "$TOP" || exit 1
out=build/$name/rust-analyzer
rm -rf "$out"
scripts/build-module.sh "$name" . "$out" rust-analyzer || exit 1
cp "$out/rust-project.json" rust-project.json || exit 1
say "rust-analyzer: wrote rust-project.json for the kernel $name"
