/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A boot sector: can CR4.FRED be set? CPUID may show FRED although the emulator
 * was built without. Goes to 64-bit mode, tells the serial line "probe", sets the
 * bit, tells "yes". Without FRED that is a #GP, with no handler: the end.
 */
	.code16
	.globl	_start
_start:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$0x7c00, %sp

	/* The first 2 MiB, at their address */
	movw	$0x1000, %di
	movw	$0x3000 / 2, %cx
	cld
	rep stosw
	movl	$0x2003, 0x1000
	movl	$0x3003, 0x2000
	movl	$0x83, 0x3000

	movl	$1 << 5, %eax		/* PAE */
	movl	%eax, %cr4
	movl	$0x1000, %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx	/* EFER.LME */
	rdmsr
	orl	$1 << 8, %eax
	wrmsr
	lgdt	gdt_ptr
	movl	%cr0, %eax
	orl	$0x80000001, %eax
	movl	%eax, %cr0
	ljmp	$8, $long_mode

	.code64
long_mode:
	movw	$0x3fb, %dx		/* 8 bits, no parity */
	movb	$3, %al
	outb	%al, %dx
	movl	$probe, %esi
	call	say
	movq	%cr4, %rax
	btsq	$32, %rax
	movq	%rax, %cr4
	movl	$yes, %esi
	call	say
1:	hlt
	jmp	1b

say:
	movw	$0x3fd, %dx
1:	inb	%dx, %al
	testb	$0x40, %al
	jz	1b
	movb	(%rsi), %al
	incl	%esi
	testb	%al, %al
	jz	2f
	movw	$0x3f8, %dx
	outb	%al, %dx
	jmp	say
2:	ret

probe:	.asciz	"probe\n"
yes:	.asciz	"yes\n"
	.balign	8
gdt:	.quad	0, 0x00209a0000000000
gdt_ptr:
	.word	. - gdt - 1
	.long	gdt
	.org	510
	.word	0xaa55
