/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk that SeaBIOS boots: it sets one video mode after another through the VGA BIOS and draws in each. After a picture it writes
 * the step's letter to port E9 and waits for a key. Real mode, with 4 GiB limits in FS for the linear frame buffer.
 */
    .code16
    .globl _start
_start:
    ljmp $0, $start
start:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw $0x7c00, %sp
    sti
    cld
    /* The rest of this program: 7 sectors after this one. */
    movw $0x0207, %ax
    movw $0x0002, %cx
    xorb %dh, %dh
    movw $rest, %bx
    int $0x13
    jnc rest
    movb $'!', %al /* could not read */
    outb %al, $0xe9
1:  hlt
    jmp 1b

/* AL: the step's letter. Tell the host, wait for a key. */
done:
    outb %al, $0xe9
    movb $0, %ah
    int $0x16
    ret

    .org 510
    .word 0xaa55

rest:
    /* a: text, 80 columns: more lines than fit, by teletype; then all characters and colours but blinking ones */
    movw $0x0003, %ax
    int $0x10
    movw $0x0100, %ax
    movw $0x2000, %cx /* no cursor */
    int $0x10
    movw $40, %bp
1:  movw $hello, %si
    call print
    movw %bp, %ax
    addb $0x20, %al
    call putc
    movw $crlf, %si
    call print
    decw %bp
    jnz 1b
    movb $'a', %al
    call done
    call cells
    movb $'b', %al
    call done
    /* c: 40 columns */
    movw $0x0001, %ax
    int $0x10
    movw $0x0100, %ax
    movw $0x2000, %cx
    int $0x10
    call cells
    movb $'c', %al
    call done
    /* d: the 8x8 font: 50 lines */
    movw $0x0003, %ax
    int $0x10
    movw $0x1112, %ax
    movb $0, %bl
    int $0x10
    movw $0x0100, %ax
    movw $0x2000, %cx
    int $0x10
    call cells
    movb $'d', %al
    call done
    /* e: CGA, four colours; f: two */
    movw $0x0004, %ax
    int $0x10
    call cga
    movb $'e', %al
    call done
    movw $0x0006, %ax
    int $0x10
    call cga
    movb $'f', %al
    call done
    /* g, h: 16 colours, 320x200 and 640x480 */
    movw $0x000d, %ax
    int $0x10
    call planar
    movb $'g', %al
    call done
    movw $0x0012, %ax
    int $0x10
    call planar
    movb $'h', %al
    call done
    /* i: 256 colours */
    movw $0x0013, %ax
    int $0x10
    call palette
    movw $0xa000, %ax
    movw %ax, %es
    xorw %di, %di
    xorw %dx, %dx
1:  xorw %cx, %cx
2:  movb %cl, %al
    xorb %dl, %al
    stosb
    incw %cx
    cmpw $320, %cx
    jb 2b
    incw %dx
    cmpw $200, %dx
    jb 1b
    movb $'i', %al
    call done
    /* j: the same unchained, 256x200 of it drawn plane by plane, the start moved */
    movw $0x3c4, %dx
    movw $0x0604, %ax
    outw %ax, %dx
    movw $0x3d4, %dx
    movw $0x0014, %ax
    outw %ax, %dx
    movw $0xe317, %ax
    outw %ax, %dx
    movw $0x500d, %ax
    outw %ax, %dx
    movb $1, %bl
1:  movw $0x3c4, %dx
    movb $2, %al
    movb %bl, %ah
    outw %ax, %dx
    movw $4000, %di
    movw $4000, %cx
    movb %bl, %al
2:  stosb
    addb $3, %al
    loop 2b
    shlb $1, %bl
    cmpb $16, %bl
    jb 1b
    movb $'j', %al
    call done
    /* k: VBE 800x600, 8 bits, by banks */
    movw $0x4f02, %ax
    movw $0x0103, %bx
    int $0x10
    call palette
    xorw %bp, %bp
1:  movw $0x4f05, %ax
    xorw %bx, %bx
    movw %bp, %dx
    int $0x10
    movw $0xa000, %ax
    movw %ax, %es
    xorw %di, %di
    movw $0x8000, %cx
    movw %bp, %ax
    imulw $37, %ax
2:  stosw
    addw $0x0201, %ax
    loop 2b
    incw %bp
    cmpw $8, %bp
    jb 1b
    movb $'k', %al
    call done
    /* l to p: linear frame buffers: 15, 16, 24 and 32 bits, then the last scrolled */
    call unreal
    movw $0x4110, %bx
    movw $(640 * 2 / 4 * 16), %cx
    call linear
    movb $'l', %al
    call done
    movw $0x4111, %bx
    movw $(640 * 2 / 4 * 16), %cx
    call linear
    movb $'m', %al
    call done
    movw $0x4112, %bx
    movw $(640 * 3 / 4 * 16), %cx
    call linear
    movb $'n', %al
    call done
    movw $0x4142, %bx
    movw $(640 * 4 / 4 * 16), %cx
    call linear
    movb $'o', %al
    call done
    movw $0x4f07, %ax
    xorw %bx, %bx
    movw $8, %cx
    movw $100, %dx
    int $0x10
    movb $'p', %al
    call done
    movw $0x0003, %ax
    int $0x10
    movw $0x0100, %ax
    movw $0x2000, %cx
    int $0x10
    movb $'q', %al
    call done
1:  hlt
    jmp 1b

putc:
    movb $0x0e, %ah
    movw $0x0007, %bx
    int $0x10
    ret
print:
    lodsb
    testb %al, %al
    jz 1f
    call putc
    jmp print
1:  ret

/* 4096 cells: every character, attributes 00 to 7f */
cells:
    movw $0xb800, %ax
    movw %ax, %es
    xorw %di, %di
    xorw %cx, %cx
1:  movw %cx, %ax
    imulw $5, %ax
    shrw $2, %ax
    andb $0x7f, %al
    movb %al, %ah
    movb %cl, %al
    stosw
    incw %cx
    cmpw $4096, %cx
    jb 1b
    ret

/* 16 KiB of a pattern */
cga:
    movw $0xb800, %ax
    movw %ax, %es
    xorw %di, %di
1:  movw %di, %ax
    shrw $3, %ax
    xorw %di, %ax
    stosb
    cmpw $0x4000, %di
    jb 1b
    ret

/* Each plane its own pattern through the map mask, a block copied through the latches, a rectangle in write mode 2, one xor-ed by
 * write mode 0 with a bit mask. 8000 bytes of each plane. */
planar:
    movw $0xa000, %ax
    movw %ax, %es
    movb $1, %bl
1:  movw $0x3c4, %dx
    movb $2, %al
    movb %bl, %ah
    outw %ax, %dx
    xorw %di, %di
2:  movw %di, %ax
    shrw $4, %ax
    mulb %bl
    stosb
    cmpw $2000, %di
    jb 2b
    shlb $1, %bl
    cmpb $16, %bl
    jb 1b
    movw $0x0f02, %ax
    outw %ax, %dx
    movw $0x3ce, %dx
    movw $0x0105, %ax
    outw %ax, %dx
    pushw %ds
    pushw %es
    popw %ds
    movw $100, %si
    movw $2400, %di
    movw $1500, %cx
    rep movsb
    popw %ds
    movw $0x0205, %ax
    outw %ax, %dx
    movw $4000, %di
    movw $1000, %cx
3:  movb %cl, %al
    shrb $3, %al
    stosb
    loop 3b
    movw $0x0005, %ax
    outw %ax, %dx
    movw $0x3c08, %ax
    outw %ax, %dx
    movw $0x1a03, %ax /* xor, rotate by 2 */
    outw %ax, %dx
    movw $500, %di
    movw $2500, %cx
4:  movb %es:(%di), %al
    movb %cl, %al
    stosb
    loop 4b
    movw $0x0003, %ax
    outw %ax, %dx
    movw $0xff08, %ax
    outw %ax, %dx
    ret

palette:
    movw $0x3c8, %dx
    movb $0, %al
    outb %al, %dx
    incw %dx
    xorw %cx, %cx
1:  movb %cl, %al
    andb $0x3f, %al
    outb %al, %dx
    movb %cl, %al
    shrb $2, %al
    outb %al, %dx
    movb %cl, %al
    notb %al
    andb $0x3f, %al
    outb %al, %dx
    incw %cx
    cmpw $256, %cx
    jb 1b
    ret

/* FS reaches 4 GiB from here on. */
unreal:
    cli
    pushw %fs
    lgdt gdt_pointer
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    jmp 1f
1:  movw $8, %bx
    movw %bx, %fs
    andb $0xfe, %al
    movl %eax, %cr0
    jmp 2f
2:  popw %fs
    sti
    ret

/* BX: VBE mode with the linear bit; CX: dwords of 16 lines, drawn 30 times */
linear:
    pushw %cx
    pushw %bx
    movw %bx, %cx
    andw $0x1ff, %cx
    xorw %ax, %ax
    movw %ax, %es
    movw $0x4f01, %ax
    movw $0x6000, %di
    int $0x10
    popw %bx
    movw $0x4f02, %ax
    int $0x10
    movl 0x6028, %edi /* PhysBasePtr */
    popw %cx
    movzwl %cx, %ecx
    imull $30, %ecx
    xorl %eax, %eax
    movw %ax, %fs /* the base; the limit stays */
1:  movl %eax, %fs:(%edi)
    addl $4, %edi
    addl $0x00030507, %eax
    decl %ecx
    jnz 1b
    ret

hello:
    .asciz "The quick brown fox jumps over the lazy dog, "
crlf:
    .asciz "\r\n"
    .balign 8
gdt:
    .quad 0
    .quad 0x00cf92000000ffff
gdt_pointer:
    .word . - gdt - 1
    .long gdt
    .org 4096
