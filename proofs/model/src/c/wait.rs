// SPDX-License-Identifier: GPL-2.0

//! include/linux/list.h and kernel/sched/wait.c.

use super::{
    lock::{_raw_spin_lock_irqsave, _raw_spin_unlock_irqrestore},
    sched::{try_to_wake_up, TASK_NORMAL},
    types::*,
};
use crate::{
    ffi::*,
    machine::{self, Order},
};

pub const WQ_FLAG_EXCLUSIVE: c_uint = 1;
pub const WQ_FLAG_WOKEN: c_uint = 2;

/// # Safety
///
/// The entries must be valid, and no other task may change the list.
pub unsafe fn init_list_head(list: *mut list_head) {
    // SAFETY: The caller guarantees that the entries are valid and no other task changes the list.
    unsafe {
        (*list).next = list;
        (*list).prev = list;
    }
}

/// # Safety
///
/// The entries must be valid, and no other task may change the list.
pub unsafe fn list_empty(list: *mut list_head) -> bool {
    machine::check(list, "a list");
    // SAFETY: The caller guarantees that the entries are valid and no other task changes the list.
    unsafe { std::ptr::eq((*list).next, list) }
}

/// # Safety
///
/// The entries must be valid, and no other task may change the list.
pub unsafe fn list_add_tail(new: *mut list_head, head: *mut list_head) {
    machine::check(new, "an entry of a list");
    machine::check(head, "a list");
    // SAFETY: The caller guarantees that the entries are valid and no other task changes the list.
    unsafe {
        (*new).next = head;
        (*new).prev = (*head).prev;
        (*(*head).prev).next = new;
        (*head).prev = new;
    }
}

/// # Safety
///
/// The entries must be valid, and no other task may change the list.
pub unsafe fn list_del_init(entry: *mut list_head) {
    machine::check(entry, "an entry of a list");
    // SAFETY: The caller guarantees that the entries are valid and no other task changes the list.
    unsafe {
        machine::check((*entry).next, "the neighbour of an entry of a list");
        machine::check((*entry).prev, "the neighbour of an entry of a list");
        (*(*entry).next).prev = (*entry).prev;
        (*(*entry).prev).next = (*entry).next;
        init_list_head(entry);
    }
}

/// # Safety
///
/// `head` must be valid for writes.
pub unsafe fn __init_waitqueue_head(
    head: *mut wait_queue_head,
    _name: *const c_char,
    _key: *mut lock_class_key,
) {
    // SAFETY: The caller guarantees that `head` is valid for writes.
    unsafe {
        head.write(wait_queue_head {
            lock: raw_spinlock::new(),
            head: list_head::default(),
        });
        init_list_head(&raw mut (*head).head);
    }
}

/// # Safety
///
/// `head` and `entry` must be initialised.
pub unsafe fn add_wait_queue(head: *mut wait_queue_head, entry: *mut wait_queue_entry) {
    // SAFETY: The caller guarantees that `head` and `entry` are initialised.
    unsafe {
        let flags = _raw_spin_lock_irqsave(&raw mut (*head).lock);
        let list = &raw mut (*head).head;
        list_add_tail(&raw mut (*entry).entry, (*list).next);
        _raw_spin_unlock_irqrestore(&raw mut (*head).lock, flags);
    }
}

/// # Safety
///
/// `head` and `entry` must be initialised.
pub unsafe fn remove_wait_queue(head: *mut wait_queue_head, entry: *mut wait_queue_entry) {
    // SAFETY: The caller guarantees that `head` and `entry` are initialised.
    unsafe {
        let flags = _raw_spin_lock_irqsave(&raw mut (*head).lock);
        list_del_init(&raw mut (*entry).entry);
        _raw_spin_unlock_irqrestore(&raw mut (*head).lock, flags);
    }
}

/// # Safety
///
/// `head` must be initialised.
pub unsafe fn __wake_up(
    head: *mut wait_queue_head,
    mode: c_uint,
    mut exclusive: c_int,
    key: *mut c_void,
) {
    // SAFETY: The caller guarantees that `head` is initialised.
    unsafe {
        let flags = _raw_spin_lock_irqsave(&raw mut (*head).lock);
        let list = &raw mut (*head).head;
        let mut node = (*list).next;
        while !std::ptr::eq(node, list) {
            let next = (*node).next;
            let curr = crate::container_of!(node, wait_queue_entry, entry);
            let was = (*curr).flags;

            if (*curr).func.unwrap()(curr, mode, 0, key) != 0 && was & WQ_FLAG_EXCLUSIVE != 0 {
                exclusive -= 1;
                if exclusive == 0 {
                    break;
                }
            }
            node = next;
        }
        _raw_spin_unlock_irqrestore(&raw mut (*head).lock, flags);
    }
}

/// # Safety
///
/// Only `__wake_up()` may call it, with an entry of a waiting task.
pub unsafe extern "C" fn woken_wake_function(
    entry: *mut wait_queue_entry,
    mode: c_uint,
    _flags: c_int,
    _key: *mut c_void,
) -> c_int {
    machine::full_barrier();
    // SAFETY: The caller guarantees that `entry` is one of a waiting task. `private` is the task.
    unsafe {
        // The waiter may write between the read and the write.
        machine::step("wq_entry->flags |= WQ_FLAG_WOKEN");
        (*entry).flags |= WQ_FLAG_WOKEN;
        machine::stored((&raw const (*entry).flags).addr(), Order::Relaxed);
        machine::step("default_wake_function");
        c_int::from(try_to_wake_up((*entry).private.cast(), mode & TASK_NORMAL))
    }
}
