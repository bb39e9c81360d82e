// SPDX-License-Identifier: GPL-2.0
/*
 * Dynamic kernel stacks: turned on or not, and how.
 *
 * The boot parameter, the policy, and the order in which the parts come to life.
 */
#define pr_fmt(fmt) "dynamic_stack: " fmt

#include <linux/init.h>
#include <linux/kstrtox.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "internal.h"

#define CREATE_TRACE_POINTS
#include <trace/events/dynamic_stack.h>

/* The parameters belong to the feature, not to this file. */
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "dynamic_stack."

DEFINE_STATIC_KEY_FALSE(dynamic_stack_key);

/*
 * Code is patched in the order of addresses, and with CONFIG_PREEMPT a task may
 * fork meanwhile: fork() must not create a stack of one page while the switch
 * does not know yet that it has to map the rest.
 */
bool dynamic_stack_live __read_mostly;

static bool dynamic_stack_wanted __initdata = IS_ENABLED(CONFIG_DYNAMIC_STACK_DEFAULT_ON);

/* Not an early parameter: those are read before the boot configuration is. */
static int __init dynamic_stack_setup(char *str)
{
	if (kstrtobool(str, &dynamic_stack_wanted))
		pr_warn("dynamic_stack=%s: neither on nor off\n", str);
	return 1;
}
__setup("dynamic_stack=", dynamic_stack_setup);

#ifdef CONFIG_DYNAMIC_STACK_HOOKS
DEFINE_STATIC_KEY_FALSE(dynamic_stack_hooks_key);

static bool dynamic_stack_hooks_wanted;
module_param_named(hooks, dynamic_stack_hooks_wanted, bool, 0444);
#endif

/* First of all: no switch may overlook a managed stack. */
static void __init dynamic_stack_start_switch(void)
{
#ifdef CONFIG_DYNAMIC_STACK_HOOKS
	if (dynamic_stack_hooks_wanted) {
		static_branch_enable(&dynamic_stack_hooks_key);
		return;
	}
#endif
	arch_dynamic_stack_split();
}

DEFINE_STATIC_KEY_FALSE(dynamic_stack_preset_key);

static bool dynamic_stack_preset_wanted;
module_param_named(preset, dynamic_stack_preset_wanted, bool, 0444);

unsigned int dynamic_stack_reclaim __read_mostly = DSTACK_RECLAIM_SLEEP;

static const char * const reclaim_names[] = {
	[DSTACK_RECLAIM_SWITCH]	= "switch",
	[DSTACK_RECLAIM_SLEEP]	= "sleep",
	[DSTACK_RECLAIM_NEVER]	= "never",
};

/* Each page would wait for a shootdown, so it would save no more than "sleep". */
static bool reclaim_refused(unsigned int policy)
{
	if (policy != DSTACK_RECLAIM_SWITCH || !dstack_preset())
		return false;
	pr_warn("reclaim=switch: refused: the accessed flag is not used here, so each page waits for a shootdown anyway\n");
	return true;
}

/* At boot, as soon as it is known whether the flag is used. */
static void __init reclaim_settle(void)
{
	if (reclaim_refused(dynamic_stack_reclaim))
		WRITE_ONCE(dynamic_stack_reclaim, DSTACK_RECLAIM_SLEEP);
}

/* May change at any time: it only decides what the next switch does. */
static int reclaim_set(const char *val, const struct kernel_param *kp)
{
	int i = sysfs_match_string(reclaim_names, val);

	if (i < 0)
		return i;
	/* At boot, see reclaim_settle(). */
	if (dynamic_stack_enabled() && reclaim_refused(i))
		return -EOPNOTSUPP;
	WRITE_ONCE(dynamic_stack_reclaim, i);
	/* It may be asleep for long. */
	kstack_wake_collector();
	return 0;
}

static int reclaim_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n", reclaim_names[READ_ONCE(dynamic_stack_reclaim)]);
}

static const struct kernel_param_ops reclaim_ops = {
	.set = reclaim_set,
	.get = reclaim_get,
};
module_param_cb(reclaim, &reclaim_ops, NULL, 0644);

/*
 * Early, so that no other CPU is up yet, and each one gets its pool before it
 * comes online. The tasks that exist already keep their whole stacks.
 */
static int __init dynamic_stack_init(void)
{
	int err;

	if (!dynamic_stack_wanted)
		return 0;
	if (!arch_dynamic_stack_supported()) {
		pr_info("off: not supported on this CPU or hypervisor\n");
		return 0;
	}

	if (dynamic_stack_preset_wanted) {
		static_branch_enable(&dynamic_stack_preset_key);
		reclaim_settle();
	}

	if (!dstack_proof_init())
		return 0;
	if (!kstack_fault_init()) {
		pr_info("off: stacks of this size need page faults on a stack of their own\n");
		return 0;
	}
	err = dstack_stack_init();
	if (!err)
		err = kstack_pool_init();
	if (!err)
		err = kstack_refill_init();
	if (!err)
		err = kstack_collect_init();
	if (!err)
		kstack_vacate_init();
	if (err) {
		pr_warn("off: initialization failed (%d)\n", err);
		return 0;
	}

	dynamic_stack_start_switch();
	static_branch_enable(&dynamic_stack_key);
	WRITE_ONCE(dynamic_stack_live, true);
	pr_info("on: reclaim=%s, %lu pages per stack\n",
		reclaim_names[dynamic_stack_reclaim], DSTACK_PAGES);
	return 0;
}
early_initcall(dynamic_stack_init);

/* All CPUs have come up, so it is known by now whether they set the flag. */
static int __init dynamic_stack_settle(void)
{
	if (dynamic_stack_enabled())
		reclaim_settle();
	return 0;
}
core_initcall(dynamic_stack_settle);
