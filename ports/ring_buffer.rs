// SPDX-License-Identifier: GPL-2.0

//! The kernel tracer's ring buffer, which the bindings do not cover.
//!
//! C header: [`include/linux/ring_buffer.h`](srctree/include/linux/ring_buffer.h)

use core::{
    ptr::{
        null_mut,
        NonNull, //
    },
    slice, //
};
use kernel::{
    cpu::CpuId,
    prelude::*,
    sync::{
        Arc,
        LockClassKey, //
    },
    types::Opaque, //
};

/// `RB_FL_OVERWRITE`: a full buffer loses the oldest events.
const OVERWRITE: c_uint = 1;

/// The bits of `commit` that hold the length.
const COMMIT: usize = 0xf_ffff;

/// `struct trace_buffer`.
#[repr(transparent)]
struct TraceBuffer(Opaque<u8>);

/// `struct ring_buffer_event`, whose data C locates.
#[repr(transparent)]
struct Event(Opaque<u32>);

/// `struct buffer_data_read_page`.
#[repr(transparent)]
struct ReadPage(Opaque<u8>);

/// The type that `ring_buffer_read_page_data()` returns a pointer to.
#[repr(C)]
struct DataPage {
    time_stamp: u64,
    commit: usize,
}

extern "C" {
    fn __ring_buffer_alloc(size: c_ulong, flags: c_uint, key: *mut c_void) -> *mut TraceBuffer;
    fn ring_buffer_free(buffer: *mut TraceBuffer);
    fn ring_buffer_reset(buffer: *mut TraceBuffer);
    fn ring_buffer_lock_reserve(buffer: *mut TraceBuffer, length: c_ulong) -> *mut Event;
    fn ring_buffer_unlock_commit(buffer: *mut TraceBuffer) -> c_int;
    fn ring_buffer_event_data(event: *mut Event) -> *mut u32;
    fn ring_buffer_consume(
        buffer: *mut TraceBuffer,
        cpu: c_int,
        ts: *mut u64,
        lost: *mut c_ulong,
    ) -> *mut Event;
    fn ring_buffer_entries(buffer: *mut TraceBuffer) -> c_ulong;
    fn ring_buffer_overruns(buffer: *mut TraceBuffer) -> c_ulong;
    fn ring_buffer_subbuf_size_get(buffer: *mut TraceBuffer) -> c_int;
    fn ring_buffer_alloc_read_page(
        buffer: *mut TraceBuffer,
        cpu: c_int,
        page: *mut *mut ReadPage,
    ) -> c_int;
    fn ring_buffer_free_read_page(buffer: *mut TraceBuffer, cpu: c_int, page: *mut ReadPage);
    fn ring_buffer_read_page(
        buffer: *mut TraceBuffer,
        page: *mut ReadPage,
        len: usize,
        cpu: c_int,
        full: c_int,
    ) -> c_int;
    fn ring_buffer_read_page_data(page: *mut ReadPage) -> *mut DataPage;
}

/// A ring buffer.
///
/// # Invariants
///
/// The buffer is valid, and only this frees it.
struct Raw(NonNull<TraceBuffer>);

// SAFETY: A ring buffer is not bound to a task.
unsafe impl Send for Raw {}

// SAFETY: C serialises writers and readers.
unsafe impl Sync for Raw {}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the buffer is valid, and only this frees it.
        unsafe { ring_buffer_free(self.0.as_ptr()) }
    }
}

/// The writing end of a buffer.
pub(crate) struct Writer(Arc<Raw>);

/// The reading end of a buffer.
pub(crate) struct Reader(Arc<Raw>);

/// Creates a buffer of `size` bytes, which keeps the latest events.
///
/// Sleeps. Fails with [`ENOMEM`].
///
/// Wraps `ring_buffer_alloc()`.
pub(crate) fn ring_buffer(
    size: usize,
    key: Pin<&'static LockClassKey>,
) -> Result<(Writer, Reader)> {
    // SAFETY: The key is static.
    let buffer = unsafe { __ring_buffer_alloc(size, OVERWRITE, key.as_ptr().cast()) };
    // INVARIANT: The buffer is new.
    let raw = Arc::new(Raw(NonNull::new(buffer).ok_or(ENOMEM)?), GFP_KERNEL)?;

    Ok((Writer(raw.clone()), Reader(raw)))
}

impl Writer {
    /// Writes the number of the CPU that this runs on, and returns whether there was room.
    ///
    /// May be called from any context.
    pub(crate) fn write_cpu(&self) -> bool {
        let buffer = self.0 .0.as_ptr();
        // SAFETY: The buffer is valid.
        let event = unsafe { ring_buffer_lock_reserve(buffer, 10) };

        if event.is_null() {
            return false;
        }
        // SAFETY: There is room for ten bytes until the commit, and preemption is disabled until then.
        unsafe {
            ring_buffer_event_data(event).write(CpuId::current().as_u32());
            ring_buffer_unlock_commit(buffer);
        }
        true
    }

    /// Removes all events. There must be no writer.
    ///
    /// Sleeps.
    pub(crate) fn reset(&mut self) {
        // SAFETY: The buffer is valid.
        unsafe { ring_buffer_reset(self.0 .0.as_ptr()) }
    }

    /// Returns the number of events, and the number of overwritten ones.
    pub(crate) fn entries_and_overruns(&self) -> (usize, usize) {
        let buffer = self.0 .0.as_ptr();

        // SAFETY: The buffer is valid.
        unsafe { (ring_buffer_entries(buffer), ring_buffer_overruns(buffer)) }
    }
}

impl Reader {
    /// Takes the oldest event of a CPU, and returns its first word.
    pub(crate) fn consume(&mut self, cpu: CpuId) -> Option<u32> {
        let mut time = 0;
        // CAST: The number of CPUs fits.
        let cpu = cpu.as_u32() as c_int;
        // SAFETY: The buffer is valid, and `time` outlives the call.
        let event =
            unsafe { ring_buffer_consume(self.0 .0.as_ptr(), cpu, &raw mut time, null_mut()) };

        if event.is_null() {
            return None;
        }
        // SAFETY: The event stays in place until the next one is taken, which takes a `&mut`. Every
        // event has at least a word.
        Some(unsafe { ring_buffer_event_data(event).read() })
    }

    /// Takes a full page of events of a CPU, and calls `f` with its words.
    ///
    /// Sleeps. Fails with [`ENOMEM`], and as `ring_buffer_read_page()` does if there is none.
    pub(crate) fn read_page<R>(&mut self, cpu: CpuId, f: impl FnOnce(&[u32]) -> R) -> Result<R> {
        let buffer = self.0 .0.as_ptr();
        // CAST: The number of CPUs fits.
        let cpu = cpu.as_u32() as c_int;
        let mut page = null_mut();

        // SAFETY: The buffer is valid, and `page` outlives the call. The page is freed below, and not
        // used after that.
        unsafe {
            kernel::error::to_result(ring_buffer_alloc_read_page(buffer, cpu, &raw mut page))?;
            // CAST: A size is not negative.
            let size = ring_buffer_subbuf_size_get(buffer) as usize;
            let read = ring_buffer_read_page(buffer, page, size, cpu, 1);
            let result = kernel::error::to_result(read.min(0)).map(|()| {
                let data = ring_buffer_read_page_data(page);
                let room = size - size_of::<DataPage>();
                // The flags for missed events are not part of the length.
                let length = ((*data).commit & COMMIT).min(room);

                f(slice::from_raw_parts(
                    data.add(1).cast(),
                    length / size_of::<u32>(),
                ))
            });
            ring_buffer_free_read_page(buffer, cpu, page);
            result
        }
    }
}
