// SPDX-License-Identifier: GPL-2.0

//! Names of workers.

use crate::kthread::enametoolong;
use kernel::{
    fmt,
    prelude::*,
    str::BStr, //
};

/// The name of a worker: its thread's `comm` and its directory.
///
/// # Invariants
///
/// The bytes before the first NUL are 1 to 15 of `A-Za-z0-9_.-`, and neither `.` nor `..`; all after
/// that are NUL.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name([u8; Name::SIZE]);

impl Name {
    /// `TASK_COMM_LEN` of [`include/linux/sched.h`](srctree/include/linux/sched.h).
    const SIZE: usize = 16;

    /// Checks a name.
    ///
    /// Fails with [`EINVAL`] for a byte that is not allowed, and with [`ENAMETOOLONG`].
    pub(crate) fn new(bytes: &[u8]) -> Result<Self> {
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);

        if bytes.is_empty() || bytes == b"." || bytes == b".." || !bytes.iter().all(allowed) {
            return Err(EINVAL);
        }
        if bytes.len() >= Self::SIZE {
            return Err(enametoolong());
        }

        let mut name = [0; Self::SIZE];
        for (to, from) in name.iter_mut().zip(bytes) {
            *to = *from;
        }
        // INVARIANT: Checked above.
        Ok(Self(name))
    }

    pub(crate) fn as_c_str(&self) -> &CStr {
        // By the type invariants there is a NUL.
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(BStr::from_bytes(self.as_c_str().to_bytes()), f)
    }
}

#[kunit_tests(rust_kthread_demo_name)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_is_allowed() {
        assert!(Name::new(b"w0").is_ok());
        assert!(Name::new(b"A-z_0.9").is_ok());
        assert!(Name::new(b"...").is_ok());
        assert!(Name::new(b"123456789012345").is_ok());
    }

    #[test]
    fn refuses_the_rest() {
        for bad in [
            &b""[..],
            b".",
            b"..",
            b"a/b",
            b"%p%n%s",
            b"a\0",
            b"\xc3\xa4",
            b"a\n",
        ] {
            assert_eq!(Name::new(bad).err(), Some(EINVAL));
        }
        assert_eq!(Name::new(b"1234567890123456").err(), Some(enametoolong()));
    }
}
