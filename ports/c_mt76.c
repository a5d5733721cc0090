// SPDX-License-Identifier: GPL-2.0

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "drivers/net/wireless/mediatek/mt76/util.c"

/* The counterpart of `Driver` in rust_mt76.rs: a timer that schedules the worker, instead of a device. */

#include <linux/delay.h>
#include <linux/hrtimer.h>

#define ROUNDS	100
#define PERIOD	(100 * NSEC_PER_USEC)

static struct wiphy wiphy = {
	.dev.init_name = "phy0",
};
static struct ieee80211_hw hw = {
	.wiphy = &wiphy,
};
static struct mt76_worker worker;
static struct hrtimer timer;
static atomic_t scheduled, seen, runs;

static void work(struct mt76_worker *w)
{
	atomic_inc(&runs);
	atomic_set(&seen, atomic_read(&scheduled));
}

static void schedule_one(void)
{
	atomic_inc(&scheduled);
	mt76_worker_schedule(&worker);
}

static enum hrtimer_restart timer_fn(struct hrtimer *t)
{
	schedule_one();
	hrtimer_forward_now(t, ns_to_ktime(PERIOD));
	return HRTIMER_RESTART;
}

/* Returns whether the worker has seen everything scheduled so far in time. */
static bool is_seen(void)
{
	int i, target = atomic_read(&scheduled);

	for (i = 0; i < 10000; i++) {
		if (atomic_read(&seen) - target >= 0)
			return true;
		fsleep(100);
	}
	return false;
}

static int __init port_init(void)
{
	int i, ret, before, meanwhile = 0, lost = 0;

	ret = mt76_worker_setup(&hw, &worker, work, "tx");
	if (ret)
		return ret;
	sched_set_fifo_low(worker.task);

	for (i = 0; i < ROUNDS; i++) {
		schedule_one();
		lost += !is_seen();
	}
	pr_info("%d schedules, %d runs, %d lost\n", ROUNDS, atomic_read(&runs), lost);

	hrtimer_setup(&timer, timer_fn, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	hrtimer_start(&timer, ns_to_ktime(PERIOD), HRTIMER_MODE_REL);
	for (i = 0; i < ROUNDS; i++) {
		mt76_worker_disable(&worker);
		before = atomic_read(&runs);
		fsleep(1000);
		meanwhile += atomic_read(&runs) - before;
		mt76_worker_enable(&worker);
		lost += !is_seen();
	}
	hrtimer_cancel(&timer);
	lost += !is_seen();
	pr_info("disabled %d times, %d runs while disabled, %d lost\n", ROUNDS, meanwhile, lost);

	for (i = 0; i < ROUNDS; i++) {
		mt76_worker_disable(&worker);
		schedule_one();
		mt76_worker_enable(&worker);
		lost += !is_seen();
	}
	pr_info("scheduled %d times while disabled, %d lost\n", ROUNDS, lost);
	return 0;
}

static void __exit port_exit(void)
{
	mt76_worker_teardown(&worker);
}

module_init(port_init);
module_exit(port_exit);
