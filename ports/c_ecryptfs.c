// SPDX-License-Identifier: GPL-2.0

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

/* The parts of this header that kthread.c uses. The header itself needs CONFIG_KEYS. */
#define ECRYPTFS_KERNEL_H
#include <linux/cred.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/namei.h>

#include "c_ecryptfs.h"

#include "fs/ecryptfs/kthread.c"

/* The counterpart of `Driver` in rust_ecryptfs.rs: tasks that open a file, instead of a file system. */

#define CLIENTS	4
#define SECRET	"/tmp/secret"

struct client {
	struct task_struct *task;
	int opened, refused, failed;
};

static struct client clients[CLIENTS];
static struct path path;
static const struct cred *nobody;

static int client_fn(void *data)
{
	const struct cred *old = override_creds(nobody);
	struct client *client = data;
	struct file *opened;
	int i, err = 0;

	for (i = 0; i < 10000 && !err; i++) {
		err = ecryptfs_privileged_open(&opened, path.dentry, path.mnt, nobody);
		if (!err) {
			client->opened++;
			fput(opened);
		} else if (err == -EIO) {
			client->refused++;
		} else {
			client->failed++;
		}
		fsleep(10000);
	}
	revert_creds(old);

	/* The module stays loaded until this returns. */
	while (!kthread_should_stop()) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (!kthread_should_stop())
			schedule();
	}
	return 0;
}

static int __init port_init(void)
{
	const struct cred *old;
	struct file *direct;
	struct cred *cred;
	int i, err;

	err = kern_path(SECRET, 0, &path);
	if (err)
		return err;
	cred = prepare_kernel_cred(current);
	if (!cred) {
		path_put(&path);
		return -ENOMEM;
	}
	cred->fsuid = KUIDT_INIT(65534);
	cred->cap_effective = CAP_EMPTY_SET;
	nobody = cred;

	old = override_creds(nobody);
	direct = dentry_open(&path, O_RDWR, nobody);
	revert_creds(old);
	pr_info("without the thread: %d\n", PTR_ERR_OR_ZERO(direct));
	if (!IS_ERR(direct))
		fput(direct);

	err = ecryptfs_init_kthread();
	if (err)
		goto put;
	for (i = 0; i < CLIENTS; i++) {
		clients[i].task = kthread_run(client_fn, &clients[i], "c-client");
		if (IS_ERR(clients[i].task)) {
			err = PTR_ERR(clients[i].task);
			ecryptfs_destroy_kthread();
			while (i--)
				kthread_stop(clients[i].task);
			goto put;
		}
	}
	return 0;
put:
	put_cred(nobody);
	path_put(&path);
	return err;
}

static void __exit port_exit(void)
{
	int i, opened = 0, refused = 0, failed = 0;

	ecryptfs_destroy_kthread();
	for (i = 0; i < CLIENTS; i++) {
		kthread_stop(clients[i].task);
		opened += !!clients[i].opened;
		refused += clients[i].refused;
		failed += clients[i].failed;
	}
	pr_info("of %d clients %d opened it, %d were refused at last, %d failed\n",
		CLIENTS, opened, refused, failed);
	put_cred(nobody);
	path_put(&path);
}

module_init(port_init);
module_exit(port_exit);
MODULE_DESCRIPTION("The thread of eCryptfs, and what asks it");
MODULE_LICENSE("GPL");
