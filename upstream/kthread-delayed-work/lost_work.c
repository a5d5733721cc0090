// SPDX-License-Identifier: GPL-2.0
/*
 * Lets the timer of a delayed work fire while the work is cancelled, or its delay is changed: first
 * the canceller waits for the lock of the worker, then the timer function, and only then is the
 * lock released. A queued spinlock keeps that order. In a guest it may not, so there are several
 * rounds. Needs three CPUs.
 */

#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched/task.h>
#include <linux/workqueue.h>

#define ROUNDS 10
#define TICKS 5

static uint lost;
module_param(lost, uint, 0444);
MODULE_PARM_DESC(lost, "cancelled, said not to have been pending, and has not run");

static uint miscounted;
module_param(miscounted, uint, 0444);
MODULE_PARM_DESC(miscounted, "queued, and said to have been idle when the delay was changed");

static uint met;
module_param(met, uint, 0444);
MODULE_PARM_DESC(met, "rounds in which the timer met who cancels or changes the delay");

static struct kthread_worker *worker;
static struct kthread_delayed_work dwork;
static atomic_t ran;
static bool queued, waits, done, result, changes;

static void ran_fn(struct kthread_work *work)
{
	atomic_inc(&ran);
}

/* Keeps the timer's CPU busy, so that the timer runs there. */
static int queue_fn(void *unused)
{
	kthread_queue_delayed_work(worker, &dwork, TICKS);
	WRITE_ONCE(queued, true);
	while (!READ_ONCE(done))
		cpu_relax();
	return 0;
}

static int cancel_fn(void *unused)
{
	WRITE_ONCE(waits, true);
	if (changes)
		result = kthread_mod_delayed_work(worker, &dwork, 1000 * HZ);
	else
		result = kthread_cancel_delayed_work_sync(&dwork);
	return 0;
}

static struct task_struct *create(int (*function)(void *), int cpu)
{
	struct task_struct *task = kthread_create(function, NULL, "lost_work/%d", cpu);

	if (!IS_ERR(task)) {
		kthread_bind(task, cpu);
		get_task_struct(task);
	}
	return task;
}

static void end(struct task_struct *task)
{
	kthread_stop(task);
	put_task_struct(task);
}

static int one_round(void)
{
	struct task_struct *queues, *cancels;
	unsigned long flags;
	int tries;

	queued = waits = done = false;
	atomic_set(&ran, 0);

	queues = create(queue_fn, 2);
	if (IS_ERR(queues))
		return PTR_ERR(queues);
	cancels = create(cancel_fn, 1);
	if (IS_ERR(cancels)) {
		end(queues);
		return PTR_ERR(cancels);
	}

	wake_up_process(queues);
	while (!READ_ONCE(queued))
		cpu_relax();

	raw_spin_lock_irqsave(&worker->lock, flags);
	wake_up_process(cancels);
	while (!READ_ONCE(waits))
		cpu_relax();
	/* The canceller reaches the lock before the timer. */
	for (tries = 0; timer_pending(&dwork.timer) && tries < 1000; tries++)
		mdelay(1);
	/* A timer that is not pending any more runs, and waits for the lock. */
	if (tries > 5 && tries < 1000)
		met++;
	mdelay(5);
	raw_spin_unlock_irqrestore(&worker->lock, flags);

	WRITE_ONCE(done, true);
	end(queues);
	end(cancels);
	kthread_flush_worker(worker);

	if (!result && !atomic_read(&ran)) {
		if (changes)
			miscounted++;
		else
			lost++;
	}
	kthread_cancel_delayed_work_sync(&dwork);
	return 0;
}

static long rounds(void *unused)
{
	int i;
	int err;

	for (i = 0; i < 2 * ROUNDS; i++) {
		changes = i & 1;
		err = one_round();
		if (err)
			return err;
	}
	return 0;
}

static int __init lost_work_init(void)
{
	int err;

	if (num_online_cpus() < 3)
		return -ENODEV;
	worker = kthread_run_worker(0, "lost_work");
	if (IS_ERR(worker))
		return PTR_ERR(worker);
	kthread_init_delayed_work(&dwork, ran_fn);
	err = work_on_cpu(0, rounds, NULL);
	kthread_destroy_worker(worker);
	pr_info("met %u times: %u lost, %u miscounted\n", met, lost, miscounted);
	return err;
}

static void __exit lost_work_exit(void)
{
}

module_init(lost_work_init);
module_exit(lost_work_exit);
MODULE_DESCRIPTION("Cancels delayed work while its timer ends");
MODULE_LICENSE("GPL");
