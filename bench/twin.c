// SPDX-License-Identifier: GPL-2.0
/*
 * The C twin: what kthread/ and demo/ do, written directly on kthread.h.
 *
 * A twin_thread gives the guarantees of kthread::Thread: a started thread runs before it is stopped,
 * no wake-up is lost, a thread returns a value, and a waiter does not hang if the thread dies. A list
 * holds all threads, so that the remaining ones can be stopped while others hold references to them.
 * Start, park and stop exclude each other, and impossible requests are refused. The plain_*
 * operations use kthread.h without these guarantees.
 */

#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kref.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/mutex.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>
#include <linux/seqlock.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "bench.h"

enum twin_state {
	TWIN_NEW,
	TWIN_STARTED,
	TWIN_ENTERED,
	TWIN_DONE,
};

struct twin_thread {
	/* One reference for the list, one for the creator. */
	struct kref kref;
	struct list_head node;
	struct task_struct *task;
	u64 (*body)(struct twin_thread *thread, void *data);
	void *data;
	u64 value;
	int token;
	enum twin_state state;
	/* The thread will not be parked any more. */
	bool dismissed;
	bool parked;
	/* kthread_stop() has returned. */
	bool reaped;
	struct completion entered;
	struct completion done;
	/* Serialises start, park and stop. */
	struct mutex control;
};

static LIST_HEAD(twin_threads);
static DEFINE_MUTEX(twin_threads_lock);

static void free_thread(struct kref *kref)
{
	struct twin_thread *thread = container_of(kref, struct twin_thread, kref);

	put_task_struct(thread->task);
	kfree(thread);
}

static int twin_fn(void *data)
{
	struct twin_thread *thread = data;

	WRITE_ONCE(thread->state, TWIN_ENTERED);
	complete_all(&thread->entered);
	thread->value = thread->body(thread, thread->data);
	/* Pairs with readers of the state: TWIN_DONE implies that the value is visible. */
	smp_store_release(&thread->state, TWIN_DONE);
	complete_all(&thread->done);

	/* Linger until no further park can come. */
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (READ_ONCE(thread->dismissed) || kthread_should_stop())
			break;
		if (kthread_should_park()) {
			__set_current_state(TASK_RUNNING);
			kthread_parkme();
			continue;
		}
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

static bool twin_is_exiting(struct task_struct *task)
{
	return READ_ONCE(task->flags) & PF_EXITING;
}

/* Waits for @done, which @task completes unless it dies. Returns false if it has died. */
static bool twin_await(struct completion *done, struct task_struct *task)
{
	while (!wait_for_completion_timeout(done, HZ)) {
		if (twin_is_exiting(task))
			return false;
	}
	return true;
}

static void twin_await_entered(struct twin_thread *thread)
{
	if (READ_ONCE(thread->state) < TWIN_ENTERED)
		wait_for_completion(&thread->entered);
}

static struct twin_thread *twin_create(u64 (*body)(struct twin_thread *thread, void *data),
				       void *data, const char *name)
{
	struct twin_thread *thread = kzalloc_obj(*thread);
	struct task_struct *task;

	if (!thread)
		return ERR_PTR(-ENOMEM);
	kref_init(&thread->kref);
	thread->body = body;
	thread->data = data;
	init_completion(&thread->entered);
	init_completion(&thread->done);
	mutex_init(&thread->control);

	task = kthread_create(twin_fn, thread, "%s", name);
	if (IS_ERR(task)) {
		kfree(thread);
		return ERR_CAST(task);
	}
	thread->task = get_task_struct(task);

	kref_get(&thread->kref);
	mutex_lock(&twin_threads_lock);
	list_add_tail(&thread->node, &twin_threads);
	mutex_unlock(&twin_threads_lock);
	return thread;
}

static void twin_start(struct twin_thread *thread)
{
	mutex_lock(&thread->control);
	if (!thread->reaped) {
		WRITE_ONCE(thread->state, TWIN_STARTED);
		wake_up_process(thread->task);
	}
	mutex_unlock(&thread->control);
}

/* Waits until the task is gone. The first caller takes it off the list. */
static void twin_reap(struct twin_thread *thread)
{
	mutex_lock(&thread->control);
	if (thread->reaped) {
		mutex_unlock(&thread->control);
		return;
	}
	WRITE_ONCE(thread->dismissed, true);
	/* kthread() skips the function of a thread that it finds stopped. */
	if (thread->state != TWIN_NEW)
		twin_await_entered(thread);
	kthread_stop(thread->task);
	thread->reaped = true;
	mutex_unlock(&thread->control);

	if (thread->state != TWIN_DONE) {
		/* It never ran, or it died, and there may be waiters. */
		complete_all(&thread->entered);
		complete_all(&thread->done);
	}
	mutex_lock(&twin_threads_lock);
	list_del(&thread->node);
	mutex_unlock(&twin_threads_lock);
	kref_put(&thread->kref, free_thread);
}

/* Stops the thread, drops the reference, and stores in @value what its body has returned. */
static int twin_stop(struct twin_thread *thread, u64 *value)
{
	int ret = 0;

	if (thread->task == current)
		return -EDEADLK;
	twin_reap(thread);
	if (thread->state == TWIN_DONE)
		*value = thread->value;
	else
		ret = thread->state == TWIN_ENTERED ? -EFAULT : -ECANCELED;
	kref_put(&thread->kref, free_thread);
	return ret;
}

static int twin_unpark(struct twin_thread *thread)
{
	if (!READ_ONCE(thread->parked))
		return -EBUSY;
	WRITE_ONCE(thread->parked, false);
	kthread_unpark(thread->task);
	return 0;
}

/* Waits until the body has returned by itself. */
static int twin_join(struct twin_thread *thread, u64 *value)
{
	if (thread->task == current)
		return -EDEADLK;
	twin_unpark(thread);
	WRITE_ONCE(thread->dismissed, true);
	twin_await(&thread->done, thread->task);
	return twin_stop(thread, value);
}

static int twin_park(struct twin_thread *thread)
{
	int ret;

	if (thread->task == current)
		return -EDEADLK;
	twin_await_entered(thread);

	mutex_lock(&thread->control);
	if (thread->reaped || thread->dismissed || twin_is_exiting(thread->task)) {
		ret = -ESRCH;
	} else if (thread->parked) {
		ret = -EBUSY;
	} else {
		WRITE_ONCE(thread->parked, true);
		ret = kthread_park(thread->task);
		if (ret)
			WRITE_ONCE(thread->parked, false);
	}
	mutex_unlock(&thread->control);
	return ret;
}

static void twin_wake(struct twin_thread *thread)
{
	if (READ_ONCE(thread->state) == TWIN_NEW) {
		/* Either this sees that the thread was started, or the thread sees the token. */
		xchg(&thread->token, 1);
		if (READ_ONCE(thread->state) == TWIN_NEW)
			return;
	} else {
		/* The taker of the token sees everything done before. */
		smp_store_release(&thread->token, 1);
	}
	wake_up_process(thread->task);
}

/* Waits for a wake-up, and parks on request. Returns false if the thread should stop. */
static bool twin_wait(struct twin_thread *thread)
{
	bool go_on = true;

	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop()) {
			go_on = false;
			break;
		}
		if (kthread_should_park()) {
			__set_current_state(TASK_RUNNING);
			kthread_parkme();
			continue;
		}
		if (READ_ONCE(thread->token) && xchg_acquire(&thread->token, 0))
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	return go_on;
}

static u64 wait_for_stop(struct twin_thread *thread, void *data)
{
	while (twin_wait(thread))
		;
	return 0;
}

static int create_start_stop(u32 n, u64 *ns)
{
	u64 since = ktime_get_ns(), value;
	struct twin_thread *thread;

	while (n--) {
		thread = twin_create(wait_for_stop, NULL, "bench");
		if (IS_ERR(thread))
			return PTR_ERR(thread);
		twin_start(thread);
		twin_stop(thread, &value);
	}
	*ns = ktime_get_ns() - since;
	return 1;
}

static int create(u32 n, u64 *ns)
{
	struct twin_thread **threads = kvmalloc_objs(*threads, n);
	u64 since, value;
	int ret = 1;
	u32 i;

	if (!threads)
		return -ENOMEM;
	since = ktime_get_ns();
	for (i = 0; i < n; i++) {
		threads[i] = twin_create(wait_for_stop, NULL, "bench");
		if (IS_ERR(threads[i])) {
			ret = PTR_ERR(threads[i]);
			break;
		}
	}
	*ns = ktime_get_ns() - since;
	while (i--)
		twin_stop(threads[i], &value);
	kvfree(threads);
	return ret;
}

static u64 return_it(struct twin_thread *thread, void *data)
{
	return (unsigned long)data;
}

static int spawn_join(u32 n, u64 *ns)
{
	u64 since = ktime_get_ns(), value;
	struct twin_thread *thread;

	while (n--) {
		thread = twin_create(return_it, (void *)(unsigned long)n, "bench");
		if (IS_ERR(thread))
			return PTR_ERR(thread);
		twin_start(thread);
		if (twin_join(thread, &value) || value != n)
			return -EIO;
	}
	*ns = ktime_get_ns() - since;
	return 1;
}

static int park_unpark(u32 n, u64 *ns)
{
	struct twin_thread *thread = twin_create(wait_for_stop, NULL, "bench");
	u64 since, value;

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	twin_start(thread);
	twin_await_entered(thread);

	since = ktime_get_ns();
	while (n--) {
		twin_park(thread);
		twin_unpark(thread);
	}
	*ns = ktime_get_ns() - since;
	twin_stop(thread, &value);
	return 1;
}

static int plain_fn(void *data)
{
	while (!kthread_should_stop()) {
		if (kthread_should_park())
			kthread_parkme();
		set_current_state(TASK_INTERRUPTIBLE);
		if (!kthread_should_stop() && !kthread_should_park())
			schedule();
		__set_current_state(TASK_RUNNING);
	}
	return 0;
}

static int plain_run_stop(u32 n, u64 *ns)
{
	u64 since = ktime_get_ns();
	struct task_struct *task;

	while (n--) {
		task = kthread_run(plain_fn, NULL, "bench");
		if (IS_ERR(task))
			return PTR_ERR(task);
		kthread_stop(task);
	}
	*ns = ktime_get_ns() - since;
	return 1;
}

static int plain_park_unpark(u32 n, u64 *ns)
{
	struct task_struct *task = kthread_run(plain_fn, NULL, "bench");
	u64 since;

	if (IS_ERR(task))
		return PTR_ERR(task);
	/* The first one waits until the thread runs. */
	kthread_park(task);
	kthread_unpark(task);

	since = ktime_get_ns();
	while (n--) {
		kthread_park(task);
		kthread_unpark(task);
	}
	*ns = ktime_get_ns() - since;
	kthread_stop(task);
	return 1;
}

struct ping {
	u32 n;
	struct twin_thread *peer;
};

static u64 ping(struct twin_thread *thread, void *data)
{
	struct ping *ping = data;
	u64 since = ktime_get_ns();
	u32 i;

	for (i = 0; i < ping->n; i++) {
		twin_wake(ping->peer);
		if (!twin_wait(thread))
			return 0;
	}
	return ktime_get_ns() - since;
}

static u64 pong(struct twin_thread *thread, void *data)
{
	struct ping *ping = data;

	while (twin_wait(thread))
		twin_wake(READ_ONCE(ping->peer));
	return 0;
}

static int ping_pong(u32 n, u64 *ns)
{
	struct ping there = { .n = n }, back = { };
	struct twin_thread *a, *b;
	u64 value;
	int ret;

	b = twin_create(pong, &back, "pong");
	if (IS_ERR(b))
		return PTR_ERR(b);
	a = twin_create(ping, &there, "ping");
	if (IS_ERR(a)) {
		twin_stop(b, &value);
		return PTR_ERR(a);
	}
	there.peer = b;
	back.peer = a;
	twin_start(b);
	twin_start(a);
	ret = twin_join(a, ns) ?: 1;
	twin_stop(b, &value);
	return ret;
}

static int complete_wait(u32 n, u64 *ns)
{
	struct completion *done = kmalloc_obj(*done);
	u64 since;

	if (!done)
		return -ENOMEM;
	init_completion(done);

	since = ktime_get_ns();
	while (n--) {
		complete(done);
		wait_for_completion(done);
	}
	*ns = ktime_get_ns() - since;
	kfree(done);
	return 1;
}

/* A work item. The caller that queues it holds a reference, and so does the queue. */
struct counted_work {
	struct kthread_delayed_work work;
	/* The only worker that it is ever queued to. */
	struct twin_worker *owner;
	struct kref kref;
	u64 runs;
};

static void free_work(struct kref *kref)
{
	kfree(container_of(kref, struct counted_work, kref));
}

static void count_run(struct kthread_work *work)
{
	struct counted_work *counted = container_of(work, struct counted_work, work.work);

	WRITE_ONCE(counted->runs, counted->runs + 1);
	kref_put(&counted->kref, free_work);
}

/* A worker that is not freed while it is used, and takes no work once it is being destroyed. */
struct twin_worker {
	struct kthread_worker *worker;
	struct task_struct *task;
	atomic_t users;
	struct completion unused;
};

#define TWIN_CLOSED	(1 << 30)

static void twin_worker_put(struct twin_worker *twin)
{
	if (atomic_dec_return(&twin->users) == TWIN_CLOSED)
		complete_all(&twin->unused);
}

static bool twin_worker_get(struct twin_worker *twin)
{
	if (!(atomic_fetch_inc(&twin->users) & TWIN_CLOSED))
		return true;
	twin_worker_put(twin);
	return false;
}

static bool twin_claim(struct twin_worker *twin, struct counted_work *work)
{
	struct twin_worker *owner = READ_ONCE(work->owner);

	if (!owner)
		owner = cmpxchg(&work->owner, NULL, twin) ?: twin;
	return owner == twin;
}

/* Takes a reference to the worker, for an operation on the work item. */
static int twin_enter(struct twin_worker *twin, struct counted_work *work)
{
	if (!twin_worker_get(twin))
		return -ESRCH;
	if (twin_claim(twin, work))
		return 0;
	twin_worker_put(twin);
	return -EINVAL;
}

static int twin_queue_delayed(struct twin_worker *twin, struct counted_work *work,
			      unsigned long delay)
{
	int ret = twin_enter(twin, work);

	if (ret)
		return ret;
	kref_get(&work->kref);
	if (!kthread_queue_delayed_work(twin->worker, &work->work, delay)) {
		kref_put(&work->kref, free_work);
		ret = -EBUSY;
	}
	twin_worker_put(twin);
	return ret;
}

static int twin_queue(struct twin_worker *twin, struct counted_work *work)
{
	int ret = twin_enter(twin, work);

	if (ret)
		return ret;
	kref_get(&work->kref);
	if (!kthread_queue_work(twin->worker, &work->work.work)) {
		kref_put(&work->kref, free_work);
		ret = -EBUSY;
	}
	twin_worker_put(twin);
	return ret;
}

/* Stores in @modified whether the delay of the work item was still running. */
static int twin_mod_delayed(struct twin_worker *twin, struct counted_work *work,
			    unsigned long delay, bool *modified)
{
	int ret = twin_enter(twin, work);

	if (ret)
		return ret;
	kref_get(&work->kref);
	*modified = kthread_mod_delayed_work(twin->worker, &work->work, delay);
	if (*modified)
		kref_put(&work->kref, free_work);
	twin_worker_put(twin);
	return 0;
}

/* Returns 1 if the work item was queued. */
static int twin_cancel_sync(struct twin_worker *twin, struct counted_work *work)
{
	bool cancelled;

	if (READ_ONCE(work->owner) != twin)
		return 0;
	if (twin->task == current) {
		if (twin->worker->current_work == &work->work.work)
			return -EDEADLK;
	} else if (twin_is_exiting(twin->task)) {
		return -ESRCH;
	}
	if (!twin_worker_get(twin))
		return -ESRCH;
	cancelled = kthread_cancel_delayed_work_sync(&work->work);
	if (cancelled)
		kref_put(&work->kref, free_work);
	twin_worker_put(twin);
	return cancelled;
}

struct twin_flush {
	struct kthread_work work;
	struct completion done;
};

static void twin_flush_fn(struct kthread_work *work)
{
	complete(&container_of(work, struct twin_flush, work)->done);
}

/* kthread_flush_worker(), but for a worker that may die. */
static int twin_flush(struct twin_worker *twin)
{
	struct twin_flush flush = {
		KTHREAD_WORK_INIT(flush.work, twin_flush_fn),
		COMPLETION_INITIALIZER_ONSTACK(flush.done),
	};
	int ret = 0;

	if (twin->task == current)
		return -EDEADLK;
	if (!twin_worker_get(twin))
		return -ESRCH;
	kthread_queue_work(twin->worker, &flush.work);
	if (!twin_await(&flush.done, twin->task)) {
		kthread_cancel_work_sync(&flush.work);
		ret = -ESRCH;
	}
	twin_worker_put(twin);
	return ret;
}

static int with_worker(int (*run)(struct twin_worker *twin, struct counted_work *work, u32 n,
				  u64 *ns),
		       u32 n, u64 *ns)
{
	struct twin_worker *twin;
	struct counted_work *work;
	int ret = -ENOMEM;

	work = kzalloc_obj(*work);
	twin = kzalloc_obj(*twin);
	if (!work || !twin)
		goto out;
	kthread_init_delayed_work(&work->work, count_run);
	kref_init(&work->kref);
	init_completion(&twin->unused);
	twin->worker = kthread_run_worker(0, "bench");
	if (IS_ERR(twin->worker)) {
		ret = PTR_ERR(twin->worker);
		goto out;
	}
	/* The worker forgets its task when it ends. */
	twin->task = get_task_struct(twin->worker->task);

	ret = run(twin, work, n, ns);

	if (atomic_fetch_add(TWIN_CLOSED, &twin->users))
		wait_for_completion(&twin->unused);
	kthread_destroy_worker(twin->worker);
	put_task_struct(twin->task);
	kref_put(&work->kref, free_work);
	work = NULL;
out:
	kfree(twin);
	kfree(work);
	return ret;
}

static int run_queue_flush(struct twin_worker *twin, struct counted_work *work, u32 n, u64 *ns)
{
	u64 since = ktime_get_ns();
	int ret;
	u32 i;

	for (i = 0; i < n; i++) {
		ret = twin_queue(twin, work) ?: twin_flush(twin);
		if (ret)
			return ret;
	}
	*ns = ktime_get_ns() - since;
	return work->runs == n ? 1 : -EIO;
}

static int queue_flush(u32 n, u64 *ns)
{
	return with_worker(run_queue_flush, n, ns);
}

static int run_delayed_cancel(struct twin_worker *twin, struct counted_work *work, u32 n,
			      u64 *ns)
{
	u64 since = ktime_get_ns();
	int ret;

	while (n--) {
		ret = twin_queue_delayed(twin, work, 1000 * HZ);
		if (ret)
			return ret;
		if (twin_cancel_sync(twin, work) != 1)
			return -EBUSY;
	}
	*ns = ktime_get_ns() - since;
	return 1;
}

static int delayed_cancel(u32 n, u64 *ns)
{
	return with_worker(run_delayed_cancel, n, ns);
}

static void plain_run(struct kthread_work *work)
{
}

static int with_plain_worker(void (*run)(struct kthread_worker *worker,
					 struct kthread_delayed_work *work, u32 n),
			     u32 n, u64 *ns)
{
	struct kthread_delayed_work *work = kzalloc_obj(*work);
	struct kthread_worker *worker;
	u64 since;

	if (!work)
		return -ENOMEM;
	kthread_init_delayed_work(work, plain_run);
	worker = kthread_run_worker(0, "bench");
	if (IS_ERR(worker)) {
		kfree(work);
		return PTR_ERR(worker);
	}
	since = ktime_get_ns();
	run(worker, work, n);
	*ns = ktime_get_ns() - since;
	kthread_destroy_worker(worker);
	kfree(work);
	return 1;
}

static void queue_and_flush(struct kthread_worker *worker, struct kthread_delayed_work *work,
			    u32 n)
{
	while (n--) {
		kthread_queue_work(worker, &work->work);
		kthread_flush_worker(worker);
	}
}

static int plain_queue_flush(u32 n, u64 *ns)
{
	return with_plain_worker(queue_and_flush, n, ns);
}

static void queue_and_cancel(struct kthread_worker *worker, struct kthread_delayed_work *work,
			     u32 n)
{
	while (n--) {
		kthread_queue_delayed_work(worker, work, 1000 * HZ);
		kthread_cancel_delayed_work_sync(work);
	}
}

static int plain_delayed_cancel(u32 n, u64 *ns)
{
	return with_plain_worker(queue_and_cancel, n, ns);
}

static int run_delayed_mod(struct twin_worker *twin, struct counted_work *work, u32 n, u64 *ns)
{
	int ret = twin_queue_delayed(twin, work, 1000 * HZ);
	bool modified;
	u64 since;

	if (ret)
		return ret;
	since = ktime_get_ns();
	while (n--) {
		ret = twin_mod_delayed(twin, work, (1000 + n % 2) * HZ, &modified);
		if (ret || !modified)
			return ret ?: -EBUSY;
	}
	*ns = ktime_get_ns() - since;
	twin_cancel_sync(twin, work);
	return 1;
}

static int delayed_mod(u32 n, u64 *ns)
{
	return with_worker(run_delayed_mod, n, ns);
}

static u64 ask_should_stop(struct twin_thread *thread, void *data)
{
	u64 since = ktime_get_ns();
	u32 n = (unsigned long)data;

	while (n-- && !kthread_should_stop())
		;
	return ktime_get_ns() - since;
}

static int should_stop(u32 n, u64 *ns)
{
	struct twin_thread *thread = twin_create(ask_should_stop, (void *)(unsigned long)n, "bench");

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	twin_start(thread);
	return twin_join(thread, ns) ?: 1;
}

/* The counters of a worker, which its thread writes and others read. */
struct twin_stats {
	u64 runs;
	s64 run_time_ns;
	s64 last_run_ns;
};

static void twin_add_run(struct twin_stats *stats, s64 ns)
{
	WRITE_ONCE(stats->last_run_ns, ns);
	WRITE_ONCE(stats->run_time_ns, stats->run_time_ns + ns);
	/* A reader that sees the run sees its time. */
	smp_store_release(&stats->runs, stats->runs + 1);
}

static int stats_update(u32 n, u64 *ns)
{
	struct twin_stats *stats = kzalloc_obj(*stats);
	u64 since;

	if (!stats)
		return -ENOMEM;
	since = ktime_get_ns();
	while (n--)
		twin_add_run(stats, n);
	*ns = ktime_get_ns() - since;
	kfree(stats);
	return 1;
}

#define BUCKETS 39

/*
 * Counts of values by power of two. One thread at a time changes them. Readers start over if a value
 * was recorded during the read.
 */
struct twin_histogram {
	seqcount_t sequence;
	u64 sum;
	u64 min_inverted, max;
	u64 buckets[BUCKETS];
};

static void twin_raise(u64 *to, u64 value)
{
	if (*to < value)
		WRITE_ONCE(*to, value);
}

static void twin_record(struct twin_histogram *histogram, u64 value)
{
	u64 *bucket = &histogram->buckets[min(value ? ilog2(value) : 0, BUCKETS - 1)];

	raw_write_seqcount_begin(&histogram->sequence);
	WRITE_ONCE(*bucket, *bucket + 1);
	WRITE_ONCE(histogram->sum, histogram->sum + value);
	twin_raise(&histogram->min_inverted, ~value);
	twin_raise(&histogram->max, value);
	raw_write_seqcount_end(&histogram->sequence);
}

static int histogram_record(u32 n, u64 *ns)
{
	struct twin_histogram *histogram = kzalloc_obj(*histogram);
	u64 since;

	if (!histogram)
		return -ENOMEM;
	seqcount_init(&histogram->sequence);
	since = ktime_get_ns();
	while (n--)
		twin_record(histogram, n);
	*ns = ktime_get_ns() - since;
	kfree(histogram);
	return 1;
}

/* The totals of a module. Readers see numbers that add up. */
static struct {
	struct mutex lock;
	u64 created, stopped, workers_peak, create_failed, started, wakes, parks, unparks;
	u64 commands, commands_rejected;
	atomic64_t runs;
} totals = {
	.lock = __MUTEX_INITIALIZER(totals.lock),
};

int twin_stats_show(struct seq_file *seq, void *unused)
{
	typeof(totals) now;

	mutex_lock(&totals.lock);
	memcpy(&now, &totals, sizeof(now));
	mutex_unlock(&totals.lock);

	seq_printf(seq, "workers %llu\n", now.created - now.stopped);
	seq_printf(seq, "workers_peak %llu\n", now.workers_peak);
	seq_printf(seq, "created %llu\n", now.created);
	seq_printf(seq, "create_failed %llu\n", now.create_failed);
	seq_printf(seq, "started %llu\n", now.started);
	seq_printf(seq, "stopped %llu\n", now.stopped);
	seq_printf(seq, "wakes %llu\n", now.wakes);
	seq_printf(seq, "runs %lld\n", atomic64_read(&totals.runs));
	seq_printf(seq, "parks %llu\n", now.parks);
	seq_printf(seq, "unparks %llu\n", now.unparks);
	seq_printf(seq, "commands %llu\n", now.commands);
	seq_printf(seq, "commands_rejected %llu\n", now.commands_rejected);
	return 0;
}

/* The number of threads that have not yet been woken. */
struct crowd {
	atomic_t left;
	struct completion done;
};

static u64 count_wakes(struct twin_thread *thread, void *data)
{
	struct crowd *crowd = data;

	while (twin_wait(thread)) {
		if (atomic_dec_and_test(&crowd->left))
			complete(&crowd->done);
	}
	return 0;
}

/* Nanoseconds since the last call. */
static u64 lap(u64 *since)
{
	u64 now = ktime_get_ns(), took = now - *since;

	*since = now;
	return took;
}

/* The times to create, start, wake, park, unpark and stop all, and their memory in bytes. */
static int scale(u32 n, u64 *ns)
{
	struct twin_thread **threads = kvmalloc_objs(*threads, n);
	struct crowd crowd = { .left = ATOMIC_INIT(n) };
	u64 since, bytes, value;
	u32 i, made;
	int ret = 7;

	if (!threads)
		return -ENOMEM;
	init_completion(&crowd.done);

	bytes = bench_free_bytes();
	since = ktime_get_ns();
	for (made = 0; made < n; made++) {
		threads[made] = twin_create(count_wakes, &crowd, "bench");
		if (IS_ERR(threads[made])) {
			ret = PTR_ERR(threads[made]);
			break;
		}
	}
	ns[0] = lap(&since);
	for (i = 0; i < made; i++)
		twin_start(threads[i]);
	for (i = 0; i < made; i++)
		twin_await_entered(threads[i]);
	ns[1] = lap(&since);
	ns[6] = bytes - min(bytes, bench_free_bytes());
	lap(&since);
	if (ret > 0) {
		for (i = 0; i < made; i++)
			twin_wake(threads[i]);
		wait_for_completion(&crowd.done);
		ns[2] = lap(&since);
		for (i = 0; i < made; i++)
			twin_park(threads[i]);
		ns[3] = lap(&since);
		for (i = 0; i < made; i++)
			twin_unpark(threads[i]);
		ns[4] = lap(&since);
	}
	for (i = 0; i < made; i++)
		twin_stop(threads[i], &value);
	ns[5] = lap(&since) + bench_free_deferred();
	kvfree(threads);
	return ret;
}

static u64 stop_slowly(struct twin_thread *thread, void *data)
{
	wait_for_stop(thread, data);
	fsleep(10 * USEC_PER_MSEC);
	return 0;
}

/* Stops threads that each need 10 ms to stop, one after the other. */
static int stop_slow(u32 n, u64 *ns)
{
	struct twin_thread **threads = kvmalloc_objs(*threads, n);
	u64 since, value;
	int ret = 1;
	u32 i;

	if (!threads)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		threads[i] = twin_create(stop_slowly, NULL, "bench");
		if (IS_ERR(threads[i])) {
			ret = PTR_ERR(threads[i]);
			break;
		}
		twin_start(threads[i]);
		twin_await_entered(threads[i]);
	}
	since = ktime_get_ns();
	while (i--)
		twin_stop(threads[i], &value);
	*ns = ktime_get_ns() - since;
	kvfree(threads);
	return ret;
}

struct wake {
	u64 since;
	u64 *next;
	struct completion ran;
};

static u64 record_wakes(struct twin_thread *thread, void *data)
{
	struct wake *wake = data;

	while (twin_wait(thread)) {
		*wake->next++ = ktime_get_ns() - wake->since;
		complete(&wake->ran);
	}
	return 0;
}

/* The times from a wake-up to the run of the thread, among others that never sleep. */
static int wake_load(u32 n, u64 *ns)
{
	u64 *values = kvmalloc_objs(*values, n), value;
	struct wake wake = { .next = values };
	struct twin_thread *thread;
	int ret = -ENOMEM;
	u32 i;

	if (!values)
		return ret;
	init_completion(&wake.ran);
	thread = twin_create(record_wakes, &wake, "bench");
	if (IS_ERR(thread)) {
		ret = PTR_ERR(thread);
		goto free;
	}
	twin_start(thread);
	twin_await_entered(thread);
	ret = bench_load();
	if (ret)
		goto stop;

	for (i = 0; i < n; i++) {
		wake.since = ktime_get_ns();
		twin_wake(thread);
		wait_for_completion(&wake.ran);
	}
	bench_unload();
	bench_quantiles(values, n, ns);
	ret = BENCH_VALUES;
stop:
	twin_stop(thread, &value);
free:
	kvfree(values);
	return ret;
}

const struct bench_op bench_c_ops[] = {
	{ "create_start_stop", create_start_stop },
	{ "create", create },
	{ "spawn_join", spawn_join },
	{ "park_unpark", park_unpark },
	{ "ping_pong", ping_pong },
	{ "complete_wait", complete_wait },
	{ "queue_flush", queue_flush },
	{ "delayed_cancel", delayed_cancel },
	{ "delayed_mod", delayed_mod },
	{ "should_stop", should_stop },
	{ "stats_update", stats_update },
	{ "histogram_record", histogram_record },
	{ "plain_run_stop", plain_run_stop },
	{ "plain_park_unpark", plain_park_unpark },
	{ "plain_queue_flush", plain_queue_flush },
	{ "plain_delayed_cancel", plain_delayed_cancel },
	{ "scale", scale },
	{ "stop_slow", stop_slow },
	{ "wake_load", wake_load },
	{ }
};
