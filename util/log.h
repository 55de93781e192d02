/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log of -d and -D, and trace points of -trace. Any thread may log; lines are whole. */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

#include "util/error.h"

/* The items of -d; log_items[] in log.c gives each one's name and help. */
typedef enum LogMask {
    LOG_OUT_ASM = 1 << 0,
    LOG_IN_ASM = 1 << 1,
    LOG_OP = 1 << 2,
    LOG_INT = 1 << 4,
    LOG_EXEC = 1 << 5,
    LOG_CPU = 1 << 6,
    LOG_UNIMP = 1 << 10,
    LOG_GUEST_ERROR = 1 << 11,
    LOG_MMU = 1 << 12,
    LOG_RESET = 1 << 9,
    LOG_TRACE = 1 << 15,
    LOG_FPU = 1 << 17,
} LogMask;

extern unsigned log_mask;
static inline bool log_on(LogMask m)
{
    return __builtin_expect(log_mask & m, 0);
}
void log_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);
#define log_at(mask, ...) ((void)(log_on(mask) && (log_printf(__VA_ARGS__), 0)))

/* items: comma-separated names as -d takes them. "help" is answered by log_help() in main. */
bool log_set_items(const char *items, Error **errp);
bool log_set_file(const char *path, Error **errp); /* -D; NULL is stderr */
/* -dfilter FIRST..LAST,START+SIZE,END-SIZE: of code that is logged by its address. */
bool log_set_ranges(const char *ranges, Error **errp);
bool log_in_range(uint64_t addr); /* true where there are none */
void log_help_text(GString *out);
void log_help(void); /* the list that -d help prints, to stdout */

/* -trace PATTERN ('*' and '?' match) enables trace points; a trace point costs one load and a branch when off. */
typedef struct TracePoint {
    const char *name;
    bool enabled;
    struct TracePoint *next;
} TracePoint;
bool trace_enable(const char *pattern, Error **errp);
void trace_register(TracePoint *tp);
void trace_printf(const TracePoint *tp, const char *fmt, ...) PRINTF_LIKE(2, 3);
extern bool trace_any; /* some pattern was given */
#define TRACE(name_, ...)                                                                                              \
    do {                                                                                                               \
        if (__builtin_expect(trace_any, 0)) {                                                                          \
            static TracePoint tp_ = {.name = #name_};                                                                  \
            trace_register(&tp_);                                                                                      \
            if (tp_.enabled)                                                                                           \
                trace_printf(&tp_, __VA_ARGS__);                                                                       \
        }                                                                                                              \
    } while (0)

#endif
