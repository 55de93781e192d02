/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The human monitor's inside: command tables, their arguments, what a command gets. */
#ifndef MONITOR_HMP_H
#define MONITOR_HMP_H

#include "monitor/internal.h"
#include "target/i386/cpu.h"

/* What a running command sees. */
typedef struct Hmp {
    GString *out;
    int cpu_index;          /* of `cpu`, or of human-monitor-command; -1: the first */
    struct HmpMonitor *mon; /* NULL: by human-monitor-command */
    bool last;              /* set by `quit`: no prompt follows */
} Hmp;

/*
 * A command. args: what it takes, separated by blanks, each NAME:KIND, with '?' after the kind where it is optional:
 *   s  a word, or "text in quotes"      S  the rest of the line       e  an expression, as uint64
 *   n  an expression that fits 32 bits
 *   F  a word that is a file's name     B  one that is a drive's
 *   b  on or off                        f  /FORMAT, as the members count, format, size (optional always)
 *   -X a flag: the member X is true     NAME:-X  at this place, -X and a word, or nothing
 */
typedef struct HmpCommand {
    const char *name; /* "stop|s": names of which any will do */
    const char *args;
    const char *params, *help; /* shown by `help` */
    void (*fn)(Hmp *h, const Json *args);
    const struct HmpCommand *sub; /* {}-ended: the next word chooses */
} HmpCommand;
extern const HmpCommand hmp_commands[], hmp_info_commands[]; /* {}-ended */
const HmpCommand *hmp_find(const HmpCommand *table, const char *word, size_t len);

/* hmp-parse.c: text has to be the rest of the line; NULL with errp: it does not fit. */
Json *hmp_parse_args(Hmp *h, const HmpCommand *c, const char *text, Error **errp);
/* A number with + - * / % & | ^ ~ ( ), 0x..., 'c', $register. Advances *p. */
bool hmp_expression(Hmp *h, const char **p, uint64_t *out, Error **errp);

/* The CPU that the command looks at; NULL where there is none. */
X86CPU *hmp_cpu(const Hmp *h);
void hmp_print(Hmp *h, const char *fmt, ...) PRINTF_LIKE(2, 3);
void hmp_error(Hmp *h, Error *err); /* "Error: ..."; takes err, NULL is allowed */
/* The lines typed so far, the oldest first; NULL past the end. */
const char *hmp_history(const Hmp *h, unsigned i);
void hmp_help(Hmp *h, const char *command); /* NULL: all */
bool hmp_set_cpu(Hmp *h, uint64_t index);

/* Commands, by file. */
typedef void HmpFn(Hmp *h, const Json *args);
HmpFn hmp_x, hmp_xp, hmp_p, hmp_i, hmp_o, hmp_sum, hmp_gva2gpa, hmp_gpa2hva; /* hmp-memory.c */
HmpFn hmp_info_block, hmp_info_blockstats, hmp_info_chardev, hmp_info_cpus, hmp_info_history, hmp_info_iothreads,
    hmp_info_irq, hmp_info_jit, hmp_info_kvm, hmp_info_lapic, hmp_info_memdev, hmp_info_memory_size_summary,
    hmp_info_mice, hmp_info_mtree, hmp_info_name, hmp_info_numa, hmp_info_pci, hmp_info_pic, hmp_info_qom_tree,
    hmp_info_qtree, hmp_info_registers, hmp_info_roms, hmp_info_stats /* stats.c */, hmp_info_status, hmp_info_uuid,
    hmp_info_version; /* hmp-info.c */
HmpFn hmp_info_network, hmp_info_usernet, hmp_netdev_add, hmp_netdev_del, hmp_set_link, hmp_hostfwd_add,
    hmp_hostfwd_remove, hmp_announce_self;                                 /* hmp-net.c */
HmpFn hmp_mce, hmp_info_mem, hmp_info_tlb;                                 /* hmp-memory.c */
HmpFn hmp_info_vnc, hmp_change_vnc, hmp_set_password, hmp_expire_password; /* qmp-ui.c */

#endif
