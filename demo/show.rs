// SPDX-License-Identifier: GPL-2.0

//! What the files of the module and those of a worker have in common.

/// Declares files that show one part of their data.
macro_rules! shows {
    ($($(#[$doc:meta])* $name:ident: |$data:ident: &$type:ty| $shown:expr;)*) => {
        $(
            $(#[$doc])*
            struct $name;

            impl crate::debugfs::Show for $name {
                type Data = $type;

                fn show($data: &$type, f: &mut kernel::fmt::Formatter<'_>) -> kernel::fmt::Result {
                    kernel::fmt::Display::fmt(&$shown, f)
                }
            }
        )*
    };
}
pub(super) use shows;
