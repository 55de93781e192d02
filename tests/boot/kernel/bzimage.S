/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A bzImage (boot protocol 2.12) whose setup code prints its command line, initrd, stack and protected-mode part to port E9h. */
.code16
.globl _start
_start:
.org 0x1f1
.byte 1
.org 0x1fe
.short 0xaa55
.byte 0xeb, start-1f
1:
.ascii "HdrS"
.short 0x20c
.org 0x211
.byte 1
.org 0x214
.long 0x100000
.org 0x22c
.long 0x37ffffff
.org 0x238
.long 2047
.org 0x260
.long 0x10000
start:
  movw $0xe9,%dx
  movw $msg,%si
  call puts
  /* command line */
  movl 0x228,%eax
  shrl $4,%eax
  movw %ax,%es
  xorw %si,%si
2: movb %es:(%si),%al
  testb %al,%al
  jz 3f
  outb %al,%dx
  incw %si
  jmp 2b
3:
  movb $'\n',%al
  outb %al,%dx
  movl 0x218,%eax
  call hex
  movl 0x21c,%eax
  call hex
  movl %esp,%eax
  call hex
  xorl %eax,%eax
  movw %ss,%ax
  call hex
  /* protected part, through the BIOS: int 15h/87h */
  movw $gdt,%si
  movw %ds,%ax
  movw %ax,%es
  movw $16,%cx
  movb $0x87,%ah
  int $0x15
  movw $0x3000,%ax
  movw %ax,%ds
  xorw %si,%si
  movw $0xe9,%dx
  call puts
  movw $0xf4,%dx
  movb $5,%al
  outb %al,%dx
  hlt
puts: lodsb
  testb %al,%al
  jz 1f
  outb %al,%dx
  jmp puts
1: ret
hex: movw $8,%cx
1: roll $4,%eax
  pushw %ax
  andb $15,%al
  addb $'0',%al
  cmpb $'9',%al
  jbe 2f
  addb $39,%al
2: outb %al,%dx
  popw %ax
  loop 1b
  movb $' ',%al
  outb %al,%dx
  ret
msg: .asciz "setup runs: "
.balign 8
gdt: .quad 0,0
 .word 0xffff,0x0000 /* source: 1 MiB */
 .byte 0x10,0x93,0,0
 .word 0xffff,0x0000
 .byte 0x03,0x93,0,0
 .quad 0,0
.org 1024
.asciz "protected part is there\n"
.org 2048
