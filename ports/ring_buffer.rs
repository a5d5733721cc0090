// SPDX-License-Identifier: GPL-2.0

//! The ring buffer of the kernel's tracer, which the bindings do not cover.
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

/// `RB_FL_OVERWRITE`: what is full loses the oldest events.
const OVERWRITE: c_uint = 1;

/// The bits of `commit` that are a length.
const COMMIT: usize = 0xf_ffff;

/// `struct trace_buffer`.
#[repr(transparent)]
struct TraceBuffer(Opaque<u8>);

/// `struct ring_buffer_event`, of which C tells where the data is.
#[repr(transparent)]
struct Event(Opaque<u32>);

/// `struct buffer_data_read_page`.
#[repr(transparent)]
struct ReadPage(Opaque<u8>);

/// What `ring_buffer_read_page_data()` points to.
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

/// A buffer.
///
/// # Invariants
///
/// It is there, and nobody else frees it.
struct Raw(NonNull<TraceBuffer>);

// SAFETY: A ring buffer belongs to no task.
unsafe impl Send for Raw {}

// SAFETY: C serialises those who write and those who read.
unsafe impl Sync for Raw {}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe { ring_buffer_free(self.0.as_ptr()) }
    }
}

/// The end of a buffer that is written to.
pub(crate) struct Writer(Arc<Raw>);

/// The end of a buffer that is read from.
pub(crate) struct Reader(Arc<Raw>);

/// Makes a buffer of so many bytes, which keeps what was written last.
///
/// Sleeps. Fails with [`ENOMEM`].
///
/// Wraps `ring_buffer_alloc()`.
pub(crate) fn ring_buffer(
    size: usize,
    key: Pin<&'static LockClassKey>,
) -> Result<(Writer, Reader)> {
    // SAFETY: The key lives for ever.
    let buffer = unsafe { __ring_buffer_alloc(size, OVERWRITE, key.as_ptr().cast()) };
    // INVARIANT: It has been made just now.
    let raw = Arc::new(Raw(NonNull::new(buffer).ok_or(ENOMEM)?), GFP_KERNEL)?;

    Ok((Writer(raw.clone()), Reader(raw)))
}

impl Writer {
    /// Writes the number of the CPU that this runs on, and returns whether there was room.
    ///
    /// May be called from any context.
    pub(crate) fn write_cpu(&self) -> bool {
        let buffer = self.0 .0.as_ptr();
        // SAFETY: The buffer is there.
        let event = unsafe { ring_buffer_lock_reserve(buffer, 10) };

        if event.is_null() {
            return false;
        }
        // SAFETY: There is room for ten bytes, until it is committed. Preemption is disabled so long.
        unsafe {
            ring_buffer_event_data(event).write(CpuId::current().as_u32());
            ring_buffer_unlock_commit(buffer);
        }
        true
    }

    /// Removes all events, while nobody writes.
    ///
    /// Sleeps.
    pub(crate) fn reset(&mut self) {
        // SAFETY: The buffer is there.
        unsafe { ring_buffer_reset(self.0 .0.as_ptr()) }
    }

    /// Returns how many events there are, and how many have been overwritten.
    pub(crate) fn entries_and_overruns(&self) -> (usize, usize) {
        let buffer = self.0 .0.as_ptr();

        // SAFETY: The buffer is there.
        unsafe { (ring_buffer_entries(buffer), ring_buffer_overruns(buffer)) }
    }
}

impl Reader {
    /// Takes the oldest event of a CPU, and returns its first word.
    pub(crate) fn consume(&mut self, cpu: CpuId) -> Option<u32> {
        let mut time = 0;
        // CAST: There are fewer CPUs.
        let cpu = cpu.as_u32() as c_int;
        // SAFETY: The buffer is there, and `time` outlives the call.
        let event =
            unsafe { ring_buffer_consume(self.0 .0.as_ptr(), cpu, &raw mut time, null_mut()) };

        if event.is_null() {
            return None;
        }
        // SAFETY: It stays where it is until the next one is taken, which takes a `&mut`. All that
        // is written has a word.
        Some(unsafe { ring_buffer_event_data(event).read() })
    }

    /// Takes a page of events of a CPU, and calls `f` with the words of it, if there is a full one.
    ///
    /// Sleeps. Fails with [`ENOMEM`], and as `ring_buffer_read_page()` does if there is none.
    pub(crate) fn read_page<R>(&mut self, cpu: CpuId, f: impl FnOnce(&[u32]) -> R) -> Result<R> {
        let buffer = self.0 .0.as_ptr();
        // CAST: There are fewer CPUs.
        let cpu = cpu.as_u32() as c_int;
        let mut page = null_mut();

        // SAFETY: The buffer is there, and `page` outlives the call. What it is set to is freed
        // below, and not used after that.
        unsafe {
            kernel::error::to_result(ring_buffer_alloc_read_page(buffer, cpu, &raw mut page))?;
            // CAST: A size is not negative.
            let size = ring_buffer_subbuf_size_get(buffer) as usize;
            let read = ring_buffer_read_page(buffer, page, size, cpu, 1);
            let result = kernel::error::to_result(read.min(0)).map(|()| {
                let data = ring_buffer_read_page_data(page);
                let room = size - size_of::<DataPage>();
                // What it says about events that were missed is not a part of the length.
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
