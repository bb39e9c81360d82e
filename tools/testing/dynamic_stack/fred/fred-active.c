// SPDX-License-Identifier: GPL-2.0
/*
 * Is FRED in use? Without it, SYSCALL leaves the address that it returns to in
 * RCX, and the flags in R11. With FRED both are as the program set them.
 *
 * Exit status: 0 yes, 1 no, 2 neither of the two.
 */
#include <stdio.h>
#include <sys/syscall.h>

int main(void)
{
	const unsigned long was_cx = 0x5eed5eed01UL, was_11 = 0x5eed5eed11UL;
	unsigned long ax = SYS_getppid, cx = was_cx, r11 = was_11;

	asm volatile("movq %[r11], %%r11\n\t"
		     "syscall\n\t"
		     "movq %%r11, %[r11]"
		     : "+a" (ax), "+c" (cx), [r11] "+&b" (r11) : : "r11", "memory");
	printf("rcx %#lx, r11 %#lx after a system call\n", cx, r11);
	if (cx == was_cx && r11 == was_11) {
		puts("FRED is active");
		return 0;
	}
	if (cx != was_cx && r11 != was_11) {
		puts("FRED is not active");
		return 1;
	}
	puts("neither as with FRED nor as without");
	return 2;
}
