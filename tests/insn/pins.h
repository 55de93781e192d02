/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is pinned: guest code, assembled with this file; pins.c tells what for. */
#ifndef TESTS_INSN_PINS_H
#define TESTS_INSN_PINS_H

#include <stdbool.h>
#include <stdint.h>

enum { PIN_USER, PIN_KERNEL, PIN_32, PIN_16 };

typedef struct Pin {
    const char *name;
    uint8_t mode;
    bool closed; /* two instructions behind it end the block, and want no flags */
    const uint8_t *code, *end;
} Pin;

/* Instructions of which flags are not wanted. */
#define USER(id, text)   PIN(id, PIN_USER, true, text)
#define KERNEL(id, text) PIN(id, PIN_KERNEL, true, text)
/* Blocks. */
#define BLOCK(id, text)  PIN(id, PIN_USER, false, text)
#define KBLOCK(id, text) PIN(id, PIN_KERNEL, false, text)

/* clang-format off */
#define PINS \
    USER(mov_reg, "mov rax, rcx") \
    USER(mov_reg_spilled, "mov r10, rcx") \
    USER(mov_imm, "mov eax, 5") \
    USER(mov_load, "mov rax, [rbx + 8]") \
    USER(mov_load_index, "mov eax, [rbx + rcx * 4]") \
    USER(mov_load_rip, "mov rax, [rip + 0x1000]") \
    USER(mov_load_fs, "mov rax, fs:[0x28]") \
    BLOCK(mov_load_gs_rip, "mov rax, gs:[rip + 0x1000]\n mov rcx, gs:[rip + 0x1000]\n ret") \
    USER(mov_load_byte, "mov al, [rbx]") \
    USER(mov_load_spilled, "mov r10, [r11]") \
    USER(mov_store, "mov [rbx + 8], rax") \
    USER(mov_store_imm, "mov dword ptr [rbx + 8], 1") \
    USER(mov_store_stack, "mov [rsp + 16], rax") \
    USER(movzx_load, "movzx eax, byte ptr [rbx]") \
    USER(movsx_load, "movsxd rax, dword ptr [rbx]") \
    USER(lea, "lea rax, [rbx + rcx * 8 + 16]") \
    USER(lea_spilled, "lea r10, [rbx + r11 * 8 + 16]") \
    USER(add_reg, "add rax, rcx") \
    USER(add_load, "add rax, [rbx]") \
    USER(add_store, "add [rbx], rax") \
    USER(lock_add, "lock add [rbx], rax") \
    USER(lock_cmpxchg, "lock cmpxchg [rbx], rcx") \
    USER(lock_xadd, "lock xadd [rbx], rcx") \
    USER(alone_add, "lock add [rbx], rax") \
    USER(alone_add_imm, "lock add dword ptr [rbx], 1") \
    USER(alone_inc, "lock inc dword ptr [rbx]") \
    USER(alone_bts, "lock bts dword ptr [rbx], 1") \
    USER(alone_bts_reg, "lock bts [rbx], rcx") \
    USER(alone_cmpxchg, "lock cmpxchg [rbx], rcx") \
    USER(alone_cmpxchg16b, "lock cmpxchg16b [rbx]") \
    KERNEL(alone_kernel, "lock xadd [rbx], rcx") \
    USER(alone_barrier_zero, "lock add dword ptr [rbx], 0") \
    USER(alone_barrier_ones, "lock and dword ptr [rbx], -1") \
    USER(alone_barrier_stack, "lock or [rsp - 8], rax") \
    USER(xchg_mem, "xchg [rbx], rcx") \
    USER(imul, "imul rax, rcx") \
    USER(imul_load, "imul rax, [rbx], 24") \
    USER(mul, "mul rcx") \
    USER(div, "div rcx") \
    USER(shl_imm, "shl rax, 3") \
    USER(shl_cl, "shl rax, cl") \
    USER(ror_imm, "ror eax, 7") \
    USER(shrd, "shrd rax, rdx, 12") \
    USER(bsr, "bsr rax, rcx") \
    USER(bt_mem, "bt [rbx], rcx") \
    USER(bswap, "bswap rax") \
    USER(popcnt, "popcnt rax, rcx") \
    USER(shlx, "shlx rax, rdx, rcx") \
    USER(mulx, "mulx rax, rcx, rbx") \
    USER(push, "push rbx") \
    USER(push_spilled, "push r15") \
    USER(pop, "pop rbx") \
    USER(push_pop, "push rbx\n push rbp\n push r12\n pop r12\n pop rbp\n pop rbx") \
    USER(movs, "movsq") \
    USER(stos, "stosb") \
    USER(rep_movsb, "rep movsb") \
    USER(rep_stosq, "rep stosq") \
    USER(repne_scasb, "repne scasb") \
    USER(movups_load, "movups xmm0, [rbx]") \
    USER(movups_store, "movups [rbx], xmm0") \
    USER(addsd_load, "addsd xmm0, [rbx]") \
    USER(mulpd, "mulpd xmm0, xmm1") \
    USER(paddd_load, "paddd xmm0, [rbx]") \
    USER(cvtsi2sd, "cvtsi2sd xmm0, rax") \
    USER(pshufb, "pshufb xmm0, xmm1") \
    USER(aesenc, "aesenc xmm0, xmm1") \
    USER(vmovdqu_load, "vmovdqu ymm0, [rbx]") \
    USER(vmovdqu_store, "vmovdqu [rbx], ymm0") \
    USER(vpaddd_load, "vpaddd ymm0, ymm1, [rbx]") \
    USER(vfmadd, "vfmadd231pd ymm0, ymm1, ymm2") \
    USER(vgather, "vpgatherdd ymm0, [rbx + ymm1 * 4], ymm2") \
    USER(fld, "fld qword ptr [rbx]") \
    USER(fadd, "fadd st(0), st(1)") \
    USER(fstp, "fstp qword ptr [rbx]") \
    USER(rdtsc, "rdtsc") \
    USER(cpuid, "cpuid") \
    BLOCK(jmp, "8: jmp 8b") \
    BLOCK(jmp_reg, "jmp rax") \
    BLOCK(jmp_table, "jmp [rbx + rcx * 8]") \
    BLOCK(call, "call 9f") \
    BLOCK(call_reg, "call rax") \
    BLOCK(call_mem, "call [rbx + 24]") \
    BLOCK(ret, "ret") \
    BLOCK(syscall, "syscall") \
    BLOCK(cmp_jcc, "cmp rax, rcx\n jne 9f\n 8: jmp 8b") \
    BLOCK(cmp_load_jcc, "cmp dword ptr [rbx + 4], 7\n jle 9f\n 8: jmp 8b") \
    BLOCK(test_jcc_load, "test rax, rax\n je 9f\n mov rcx, [rax]\n 8: jmp 8b") \
    BLOCK(sum_loop, "2: add rax, [rsi]\n add rsi, 8\n cmp rsi, rdx\n jne 2b\n 8: jmp 8b") \
    BLOCK(sum_loop_4, "2: add rax, [rsi]\n add rax, [rsi + 8]\n add rax, [rsi + 16]\n add rax, [rsi + 24]\n" \
                      " add rsi, 32\n cmp rsi, rdx\n jne 2b\n 8: jmp 8b") \
    BLOCK(copy_loop, "2: mov al, [rsi]\n mov [rdi], al\n inc rsi\n inc rdi\n dec rcx\n jnz 2b\n 8: jmp 8b") \
    BLOCK(copy_loop_avx, "2: vmovdqu ymm0, [rsi]\n vmovdqu ymm1, [rsi + 32]\n vmovdqu [rdi], ymm0\n" \
                         " vmovdqu [rdi + 32], ymm1\n add rsi, 64\n add rdi, 64\n sub rcx, 64\n ja 2b\n 8: jmp 8b") \
    BLOCK(strlen_loop, "2: inc rax\n cmp byte ptr [rax], 0\n jne 2b\n 8: jmp 8b") \
    BLOCK(sieve_loop, "2: mov byte ptr [rbx + rax], 0\n add rax, rcx\n cmp rax, rdx\n jb 2b\n 8: jmp 8b") \
    BLOCK(matrix_loop, "2: movsd xmm0, [rsi + rax * 8]\n mulsd xmm0, [rdi]\n addsd xmm1, xmm0\n inc rax\n" \
                       " add rdi, r8\n cmp rax, rcx\n jne 2b\n 8: jmp 8b") \
    BLOCK(list_walk, "2: mov rdx, [rax + 8]\n add rcx, rdx\n mov rax, [rax]\n test rax, rax\n jne 2b\n 8: jmp 8b") \
    BLOCK(prologue, "push rbp\n mov rbp, rsp\n push r12\n push rbx\n sub rsp, 32\n mov [rsp + 8], rdi\n" \
                    " mov [rsp + 16], rsi\n call 9f") \
    BLOCK(epilogue, "mov rax, [rsp + 8]\n add rsp, 32\n pop rbx\n pop r12\n pop rbp\n ret") \
    BLOCK(struct_update, "mov rax, [rbx]\n mov ecx, [rbx + 8]\n inc ecx\n mov [rbx + 8], ecx\n add rax, 24\n" \
                         " mov [rbx + 16], rax\n cmp ecx, [rbx + 12]\n jl 9f\n 8: jmp 8b") \
    BLOCK(switch_jump, "movzx eax, byte ptr [rsi]\n inc rsi\n cmp al, 9\n ja 9f\n jmp [rbx + rax * 8]") \
    BLOCK(switch_jump_followed, "jmp 2f\n 1: movzx eax, byte ptr [rsi]\n inc rsi\n jmp [rbx + rax * 8]\n" \
                                " 2: add rcx, rdx\n jmp 1b") \
    KERNEL(cli, "cli") \
    KERNEL(sti, "sti\n nop") \
    KERNEL(pushf_cli_popf, "pushfq\n pop rbx\n cli\n push rbx\n popfq") \
    KERNEL(swapgs, "swapgs") \
    KERNEL(percpu_load, "mov rax, gs:[0x15c80]") \
    KERNEL(percpu_inc, "inc dword ptr gs:[0x15c80]") \
    KERNEL(percpu_inc_reg, "add qword ptr gs:[rbx + 8], 1") \
    KERNEL(mov_from_cr3, "mov rax, cr3") \
    KERNEL(mov_to_cr3, "mov cr3, rax") \
    KERNEL(invlpg, "invlpg [rbx]") \
    KERNEL(rdmsr, "rdmsr") \
    KERNEL(out, "out dx, al") \
    KERNEL(mfence, "mfence") \
    KBLOCK(stac, "stac\n mov rax, [rbx]\n clac\n 8: jmp 8b") \
    KBLOCK(iretq, "iretq") \
    KBLOCK(sysretq, "sysretq") \
    KBLOCK(syscall_entry, "swapgs\n mov gs:[0x6014], rsp\n mov rsp, gs:[0x601c]\n push 0x2b\n push qword ptr gs:[0x6014]\n" \
                          " push r11\n push 0x33\n push rcx\n push rax\n push rdi\n push rsi\n push rdx\n push rcx\n" \
                          " push -38\n push r8\n push r9\n push r10\n push r11\n push rbx\n push rbp\n" \
                          " push r12\n push r13\n push r14\n push r15\n xor ebx, ebx\n mov rdi, rsp\n call 9f") \
    KBLOCK(syscall_exit, "pop r15\n pop r14\n pop r13\n pop r12\n pop rbp\n pop rbx\n pop r11\n pop r10\n pop r9\n" \
                         " pop r8\n pop rax\n pop rcx\n pop rdx\n pop rsi\n pop rdi\n add rsp, 8\n pop rcx\n" \
                         " add rsp, 8\n pop r11\n pop rsp\n swapgs\n sysretq") \
    KBLOCK(percpu_call, "mov rax, gs:[0x15c80]\n mov rbx, [rax + 0x20]\n test rbx, rbx\n je 9f\n call [rbx + 8]") \
    PIN(mov_load_flat32, PIN_32, true, "mov eax, [ebx + 8]") \
    PIN(mov_store_flat32, PIN_32, true, "mov [ebx + 8], eax") \
    PIN(push_flat32, PIN_32, true, "push ebx") \
    PIN(call_flat32, PIN_32, false, "call 9f") \
    PIN(ret_flat32, PIN_32, false, "ret") \
    PIN(mov_load_gs32, PIN_32, true, "mov eax, gs:[0x14]") \
    PIN(mov_load_16, PIN_16, true, "mov ax, [bx + 8]") \
    PIN(push_16, PIN_16, true, "push bx") \
    PIN(loop_16, PIN_16, false, "2: add ax, [bx]\n add bx, 2\n loop 2b\n 8: jmp 8b")
/* clang-format on */

#define CODE_PIN_USER   ".code64\n"
#define CODE_PIN_KERNEL ".code64\n"
#define CODE_PIN_32     ".code32\n"
#define CODE_PIN_16     ".code16\n"
#define CLOSE_true      "\nxor eax, eax\n8: jmp 8b"
#define CLOSE_false     ""

#define PIN(id, mode, closed, text)                                                                                    \
    __asm__(".pushsection .rodata\n.intel_syntax noprefix\n" CODE_##mode "pin_" #id ":\n" text CLOSE_##closed          \
            "\n9:\npin_" #id "_end:\n.code64\n.att_syntax prefix\n.popsection");                                       \
    extern const uint8_t pin_##id[] __attribute__((visibility("hidden")));                                             \
    extern const uint8_t pin_##id##_end[] __attribute__((visibility("hidden")));
PINS
#undef PIN

#endif
