/* SPDX-License-Identifier: GPL-2.0 */

struct cred;
struct dentry;
struct file;
struct vfsmount;

int ecryptfs_init_kthread(void);
void ecryptfs_destroy_kthread(void);
int ecryptfs_privileged_open(struct file **lower_file, struct dentry *lower_dentry,
			     struct vfsmount *lower_mnt, const struct cred *cred);
