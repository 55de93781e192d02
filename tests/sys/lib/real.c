/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cases in real and virtual-8086 mode, in 32-bit guests: 16-bit code copied to 2000:0000. */
#include "sys.h"

extern struct regs real_in, real_ev;
extern uint32_t real_vector;
extern char real_stubs[];
void real_run(void);

void fresh_real(void)
{
    fresh();
    in.cs = REAL_CODE >> 4;
    in.ss = REAL_STACK >> 4;
    in.sp = 0x1000;
    in.ds = in.es = in.fs = in.gs = REAL_DATA >> 4;
}

void fresh_v86(void)
{
    fresh_real();
    in.flags = F_VM | 2;
}

static void place(const struct code *code)
{
    in.ip = 0;
    memcpy((void *)REAL_CODE, code->start, code->end - code->start + 2);
}

void try_real_(const char *s, const struct code *code)
{
    volatile uint32_t *ivt = NULL;

    name(s);
    if (code)
        place(code);
    __asm__("" : "+r"(ivt));
    for (unsigned i = 0; i < 256; i++)
        ivt[i] = (uint32_t)real_stubs + i * 8;
    real_in = in;
    memset(&real_ev, 0, sizeof(real_ev));
    memset(&ev, 0, sizeof(ev));
    real_run();
    ev.r = real_ev;
    ev.vector = real_vector & 0xff;
    if (ev.vector == V_DB) {
        ev.dr6 = rddr6();
        wrdr6(0xffff0ff0);
    }
    outcome(in.ip, code);
}

void try_real(const char *s, const struct code *code)
{
    try_real_(s, code);
    end();
}

void try_v86_(const char *s, const struct code *code)
{
    name(s);
    place(code);
    run_case();
    outcome(in.ip, code);
}

void try_v86(const char *s, const struct code *code)
{
    try_v86_(s, code);
    end();
}
