/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __MM_VMALLOC_H
#define __MM_VMALLOC_H

#include <linux/vmalloc.h>

/* By its later name, for dynamic kernel stacks: these are the arguments that they give. */
static inline struct vm_struct *
__get_vm_area_node(unsigned long size, unsigned long align, unsigned long shift,
		   unsigned long flags, unsigned long start, unsigned long end,
		   int node, gfp_t gfp_mask, const void *caller)
{
	return get_vm_area_aligned(size, align, flags, node, caller);
}

#endif /* __MM_VMALLOC_H */
