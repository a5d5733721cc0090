// SPDX-License-Identifier: GPL-2.0
/*
 * The C twin: what kthread/ and demo/ do, written straight on kthread.h.
 *
 * A twin_thread gives the guarantees of kthread::Thread that cost something at run time: what was
 * started runs before it is stopped, a wake-up is not lost, a value comes back, who waits for a
 * thread that dies does not wait for ever, parking and stopping exclude each other, and a list of
 * all threads is there for whoever has to stop those that are left. The operations of plain_* are
 * what kthread.h offers without these.
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

struct twin_thread {
	struct list_head node;
	struct task_struct *task;
	u64 (*body)(struct twin_thread *thread, void *data);
	void *data;
	u64 value;
	int token;
	struct completion entered;
	struct completion done;
	/* Excludes parking and stopping from each other. */
	struct mutex control;
};

static LIST_HEAD(twin_threads);
static DEFINE_MUTEX(twin_threads_lock);

static int twin_fn(void *data)
{
	struct twin_thread *thread = data;

	complete_all(&thread->entered);
	thread->value = thread->body(thread, thread->data);
	complete_all(&thread->done);

	/* Until it is stopped it can be parked. */
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
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

/* Waits for something that @task completes unless it dies. Returns false if it has died. */
static bool twin_await(struct completion *done, struct task_struct *task)
{
	while (!wait_for_completion_timeout(done, HZ)) {
		if (READ_ONCE(task->flags) & PF_EXITING)
			return false;
	}
	return true;
}

static struct twin_thread *twin_create(u64 (*body)(struct twin_thread *thread, void *data),
				       void *data, const char *name)
{
	struct twin_thread *thread = kzalloc_obj(*thread);
	struct task_struct *task;

	if (!thread)
		return ERR_PTR(-ENOMEM);
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

	mutex_lock(&twin_threads_lock);
	list_add_tail(&thread->node, &twin_threads);
	mutex_unlock(&twin_threads_lock);
	return thread;
}

static void twin_start(struct twin_thread *thread)
{
	wake_up_process(thread->task);
}

static u64 twin_reap(struct twin_thread *thread)
{
	u64 value;

	mutex_lock(&thread->control);
	kthread_stop_put(thread->task);
	mutex_unlock(&thread->control);
	value = thread->value;

	mutex_lock(&twin_threads_lock);
	list_del(&thread->node);
	mutex_unlock(&twin_threads_lock);
	kfree(thread);
	return value;
}

static u64 twin_stop(struct twin_thread *thread)
{
	/* kthread() skips the function of a thread that it finds stopped. */
	wait_for_completion(&thread->entered);
	return twin_reap(thread);
}

static u64 twin_join(struct twin_thread *thread)
{
	twin_await(&thread->done, thread->task);
	return twin_reap(thread);
}

static int twin_park(struct twin_thread *thread)
{
	int ret;

	mutex_lock(&thread->control);
	ret = kthread_park(thread->task);
	mutex_unlock(&thread->control);
	return ret;
}

static void twin_unpark(struct twin_thread *thread)
{
	kthread_unpark(thread->task);
}

static void twin_wake(struct twin_thread *thread)
{
	/* Whoever takes it sees what was done before. */
	smp_store_release(&thread->token, 1);
	wake_up_process(thread->task);
}

/* Waits to be woken, and parks meanwhile. Returns false if the thread is to stop. */
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
	u64 since = ktime_get_ns();
	struct twin_thread *thread;

	while (n--) {
		thread = twin_create(wait_for_stop, NULL, "bench");
		if (IS_ERR(thread))
			return PTR_ERR(thread);
		twin_start(thread);
		twin_stop(thread);
	}
	*ns = ktime_get_ns() - since;
	return 1;
}

static int create(u32 n, u64 *ns)
{
	struct twin_thread **threads = kvmalloc_objs(*threads, n);
	int ret = 1;
	u64 since;
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
		twin_reap(threads[i]);
	kvfree(threads);
	return ret;
}

static u64 return_it(struct twin_thread *thread, void *data)
{
	return (unsigned long)data;
}

static int spawn_join(u32 n, u64 *ns)
{
	u64 since = ktime_get_ns();
	struct twin_thread *thread;

	while (n--) {
		thread = twin_create(return_it, (void *)(unsigned long)n, "bench");
		if (IS_ERR(thread))
			return PTR_ERR(thread);
		twin_start(thread);
		if (twin_join(thread) != n)
			return -EIO;
	}
	*ns = ktime_get_ns() - since;
	return 1;
}

static int park_unpark(u32 n, u64 *ns)
{
	struct twin_thread *thread = twin_create(wait_for_stop, NULL, "bench");
	u64 since;

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	twin_start(thread);
	wait_for_completion(&thread->entered);

	since = ktime_get_ns();
	while (n--) {
		twin_park(thread);
		twin_unpark(thread);
	}
	*ns = ktime_get_ns() - since;
	twin_stop(thread);
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

	b = twin_create(pong, &back, "pong");
	if (IS_ERR(b))
		return PTR_ERR(b);
	a = twin_create(ping, &there, "ping");
	if (IS_ERR(a)) {
		twin_reap(b);
		return PTR_ERR(a);
	}
	there.peer = b;
	back.peer = a;
	twin_start(b);
	twin_start(a);
	*ns = twin_join(a);
	twin_stop(b);
	return 1;
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

/* A work that whoever queues it keeps, and so does the queue. */
struct counted_work {
	struct kthread_delayed_work work;
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

/* A worker that stays while it is used, and takes no work once it is to go. */
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

static bool twin_queue_delayed(struct twin_worker *twin, struct counted_work *work,
			       unsigned long delay)
{
	bool queued;

	if (!twin_worker_get(twin))
		return false;
	kref_get(&work->kref);
	queued = kthread_queue_delayed_work(twin->worker, &work->work, delay);
	if (!queued)
		kref_put(&work->kref, free_work);
	twin_worker_put(twin);
	return queued;
}

static bool twin_queue(struct twin_worker *twin, struct counted_work *work)
{
	bool queued;

	if (!twin_worker_get(twin))
		return false;
	kref_get(&work->kref);
	queued = kthread_queue_work(twin->worker, &work->work.work);
	if (!queued)
		kref_put(&work->kref, free_work);
	twin_worker_put(twin);
	return queued;
}

static bool twin_cancel_sync(struct twin_worker *twin, struct counted_work *work)
{
	bool cancelled;

	if (!twin_worker_get(twin))
		return false;
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

/* kthread_flush_worker(), but for a worker that may die. Returns false if it has died. */
static bool twin_flush(struct twin_worker *twin)
{
	struct twin_flush flush = {
		KTHREAD_WORK_INIT(flush.work, twin_flush_fn),
		COMPLETION_INITIALIZER_ONSTACK(flush.done),
	};
	bool flushed;

	if (!twin_worker_get(twin))
		return false;
	kthread_queue_work(twin->worker, &flush.work);
	flushed = twin_await(&flush.done, twin->task);
	if (!flushed)
		kthread_cancel_work_sync(&flush.work);
	twin_worker_put(twin);
	return flushed;
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
	u32 i;

	for (i = 0; i < n; i++) {
		if (!twin_queue(twin, work) || !twin_flush(twin))
			return -EBUSY;
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

	while (n--) {
		if (!twin_queue_delayed(twin, work, 1000 * HZ) || !twin_cancel_sync(twin, work))
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
	u64 since;

	if (!twin_queue_delayed(twin, work, 1000 * HZ))
		return -EBUSY;
	since = ktime_get_ns();
	while (n--) {
		if (!twin_worker_get(twin))
			return -EBUSY;
		kthread_mod_delayed_work(twin->worker, &work->work, (1000 + n % 2) * HZ);
		twin_worker_put(twin);
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
	*ns = twin_join(thread);
	return 1;
}

/* The counters of a worker that its thread writes, and others read. */
struct twin_stats {
	u64 runs;
	s64 run_time_ns;
	s64 last_run_ns;
};

static void twin_add_run(struct twin_stats *stats, s64 ns)
{
	WRITE_ONCE(stats->last_run_ns, ns);
	WRITE_ONCE(stats->run_time_ns, stats->run_time_ns + ns);
	/* Whoever has seen the run sees its time. */
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
 * Counts of values by their power of two, which one thread at a time changes. Readers start over
 * if a value came meanwhile.
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

/* The totals of a module, of which a reader sees numbers that add up. */
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

/* What @n threads that are woken once each have left to do. */
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

/* create, start, wake, park, unpark and stop all, and the bytes that they took */
static int scale(u32 n, u64 *ns)
{
	struct twin_thread **threads = kvmalloc_objs(*threads, n);
	struct crowd crowd = { .left = ATOMIC_INIT(n) };
	u64 since, bytes;
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
		wait_for_completion(&threads[i]->entered);
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
		twin_stop(threads[i]);
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

/* Stops threads that need 10 ms to stop, one after the other. */
static int stop_slow(u32 n, u64 *ns)
{
	struct twin_thread **threads = kvmalloc_objs(*threads, n);
	int ret = 1;
	u64 since;
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
		wait_for_completion(&threads[i]->entered);
	}
	since = ktime_get_ns();
	while (i--)
		twin_stop(threads[i]);
	*ns = ktime_get_ns() - since;
	kvfree(threads);
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
	{ }
};
