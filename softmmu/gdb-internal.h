/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stub's inside: gdbstub.c has the line, stop and resume; gdb-packets.c what packets ask. All in the main thread
 * under the VM lock. */
#ifndef SOFTMMU_GDB_INTERNAL_H
#define SOFTMMU_GDB_INTERNAL_H

#include "chardev/chardev.h"
#include "softmmu/runstate.h"
#include "target/i386/cpu.h"

/* Bytes of a packet, in either direction, without "$#xx"; what is longer is refused. */
#define GDB_PACKET_MAX 4096
/* Bits of qemu.sstep. */
enum { SSTEP_ENABLE = 1, SSTEP_NOIRQ = 2, SSTEP_NOTIMER = 4 };

typedef struct GdbStub {
    CharFrontend fe;
    bool on;         /* there is a device */
    bool own_device; /* made for us, goes with us */
    bool connected;
    /* line */
    enum { LINE_IDLE, LINE_PACKET, LINE_SUM1, LINE_SUM2 } line;
    char in[GDB_PACKET_MAX + 1];
    size_t in_len; /* GDB_PACKET_MAX + 1: too long */
    uint8_t sum, sum_sent;
    GByteArray *out; /* the last packet, for a '-' */
    bool no_ack;
    bool in_packet; /* its handler runs */
    /* session */
    bool multiprocess; /* thread ids are "pPID.TID" */
    bool waiting;      /* gdb continued and has had no stop reply */
    bool physical;     /* qemu.PhyMemMode */
    unsigned sstep;
    unsigned g_cpu, c_cpu; /* indices of `Hg` and `Hc` */
} GdbStub;
extern GdbStub gdb;

/* gdbstub.c */
void gdb_reply(const char *data, size_t len);
void gdb_reply_text(const char *text);
void gdb_reply_error(int err); /* "E22" of a positive errno, decimal as QEMU has it */
void gdb_append_thread(GString *s, unsigned cpu);
void gdb_report_stop(void); /* "T05thread:..." about the state as it is */
/* Actions for the CPUs, by index: 'c' goes on, 's' makes one step, 0 stays. Reports at once where the machine cannot go
 * on. */
void gdb_resume(const char *actions);
void gdb_detach(void); /* points away, the machine goes on */

/* gdb-packets.c */
void gdb_packet(char *p, size_t len); /* ends with a NUL behind len */

#endif
