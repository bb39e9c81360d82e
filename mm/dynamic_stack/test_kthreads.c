// SPDX-License-Identifier: GPL-2.0
/*
 * Create sleeping kernel threads on request, for tests.
 *
 * # echo "rescuer 177" > /sys/kernel/debug/dynamic_stack_kthreads
 *
 * Kinds: rescuer, irq_thread, kthread_worker, worker, kthread. Each thread has
 * done some work of its kind before it goes to sleep for good, so that its
 * stack is not fresh. Reading the file tells how many there are. They stay
 * until the machine is rebooted.
 */
#define pr_fmt(fmt) "dynamic_stack: " fmt

#include <linux/completion.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irq_sim.h>
#include <linux/irqdomain.h>
#include <linux/kthread.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

enum { RESCUER, IRQ_THREAD, KTHREAD_WORKER, WORKER, KTHREAD, NR_KINDS };

static const char * const kind_names[] = {
	[RESCUER]		= "rescuer",
	[IRQ_THREAD]		= "irq_thread",
	[KTHREAD_WORKER]	= "kthread_worker",
	[WORKER]		= "worker",
	[KTHREAD]		= "kthread",
};

static unsigned int created[NR_KINDS];
static DEFINE_MUTEX(create_mutex);

/* What a kernel thread commonly does: allocate, format, sleep a moment. */
static void some_work(void)
{
	char *text = kasprintf(GFP_KERNEL, "%ps %pISpc %llu", some_work, NULL, get_jiffies_64());

	usleep_range(1000, 5000);
	kfree(text);
}

static int create_rescuer(unsigned int id)
{
	/* The rescuer sleeps until its workqueue can't get a worker. */
	return alloc_workqueue("census_r%u", WQ_MEM_RECLAIM | WQ_UNBOUND, 1, id) ? 0 : -ENOMEM;
}

static irqreturn_t census_irq_thread(int irq, void *data)
{
	some_work();
	complete(data);
	return IRQ_HANDLED;
}

static int create_irq_thread(unsigned int id)
{
	DECLARE_COMPLETION_ONSTACK(done);
	struct irq_domain *domain;
	int irq, err;

	domain = irq_domain_create_sim(NULL, 1);
	if (IS_ERR(domain))
		return PTR_ERR(domain);
	irq = irq_create_mapping(domain, 0);
	if (!irq)
		return -ENOSPC;
	err = request_threaded_irq(irq, NULL, census_irq_thread, IRQF_ONESHOT, "census", &done);
	if (err)
		return err;
	err = irq_set_irqchip_state(irq, IRQCHIP_STATE_PENDING, true);
	/* The interrupt never fires again, so @done is not used again. */
	if (!err)
		wait_for_completion(&done);
	return err;
}

struct census_work {
	struct work_struct	work;
	struct completion	done;
};

static void census_kthread_work(struct kthread_work *kwork)
{
	some_work();
}

static int create_kthread_worker(unsigned int id)
{
	struct kthread_worker *worker = kthread_run_worker(0, "census_w%u", id);
	struct kthread_work work;

	if (IS_ERR(worker))
		return PTR_ERR(worker);
	kthread_init_work(&work, census_kthread_work);
	kthread_queue_work(worker, &work);
	kthread_flush_work(&work);
	return 0;
}

/* A pool makes a kworker for each work item that sleeps at the same time. */
static void census_worker_sleep(struct work_struct *work)
{
	some_work();
	wait_for_completion(&container_of(work, struct census_work, work)->done);
}

static int create_worker(unsigned int id)
{
	struct census_work *w = kzalloc(sizeof(*w), GFP_KERNEL);

	if (!w)
		return -ENOMEM;
	init_completion(&w->done);
	INIT_WORK(&w->work, census_worker_sleep);
	queue_work(system_unbound_wq, &w->work);
	return 0;
}

static int census_kthread(void *unused)
{
	some_work();
	for (;;) {
		set_current_state(TASK_IDLE);
		schedule();
	}
	return 0;
}

static int create_kthread(unsigned int id)
{
	return PTR_ERR_OR_ZERO(kthread_run(census_kthread, NULL, "census_k%u", id));
}

static int (* const create[])(unsigned int id) = {
	[RESCUER]		= create_rescuer,
	[IRQ_THREAD]		= create_irq_thread,
	[KTHREAD_WORKER]	= create_kthread_worker,
	[WORKER]		= create_worker,
	[KTHREAD]		= create_kthread,
};

static ssize_t kthreads_write(struct file *file, const char __user *ubuf, size_t len, loff_t *pos)
{
	char buf[64], name[32];
	unsigned int nr;
	int kind, err = 0;

	if (len >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, ubuf, len))
		return -EFAULT;
	buf[len] = '\0';
	if (sscanf(buf, "%31s %u", name, &nr) != 2 || nr > 10000)
		return -EINVAL;
	kind = match_string(kind_names, NR_KINDS, name);
	if (kind < 0)
		return kind;

	mutex_lock(&create_mutex);
	while (nr-- && !err) {
		err = create[kind](created[kind]);
		if (!err)
			created[kind]++;
	}
	mutex_unlock(&create_mutex);
	return err ?: len;
}

static int kthreads_show(struct seq_file *m, void *unused)
{
	int kind;

	for (kind = 0; kind < NR_KINDS; kind++)
		seq_printf(m, "%s %u\n", kind_names[kind], created[kind]);
	return 0;
}
DEFINE_SHOW_STORE_ATTRIBUTE(kthreads);

static int __init test_kthreads_init(void)
{
	debugfs_create_file("dynamic_stack_kthreads", 0600, NULL, NULL, &kthreads_fops);
	return 0;
}
late_initcall(test_kthreads_init);
