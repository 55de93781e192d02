/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of translated code for Linux's perf. -perfmap: /tmp/perf-PID.map, a line per block (tools/perf/Documentation/
 * jit-interface.txt). -jitdump: jit-PID.dump in the working folder, with the code itself (jitdump-specification.txt),
 * for `perf record -k mono`, `perf inject --jit`. A block is tb- and its guest address. Not light.
 */
#include "accel/tcg/perf.h"
#include "accel/accel.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { DUMP_MAGIC = 0x4a695444, DUMP_VERSION = 1, RECORD_LOAD = 0 };

typedef struct DumpHeader {
    uint32_t magic, version, size, machine, pad, pid;
    uint64_t timestamp, flags;
} DumpHeader;

typedef struct LoadRecord {
    uint32_t id, size;
    uint64_t timestamp;
    uint32_t pid, tid;
    uint64_t vma, address, code_size, index;
} LoadRecord;

static GMutex lock; /* the two files, the index */
static FILE *map, *dump;
static uint64_t dump_index;

static uint64_t now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* A symbolic link in /tmp is not followed, nor another's file taken. */
static FILE *create(const char *option, const char *name, Error **errp)
{
    int fd;

    unlink(name);
    fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        error_set_errno(errp, errno, "-%s: cannot write '%s'", option, name);
        return NULL;
    }
    return fdopen(fd, "w");
}

static bool begin_dump(Error **errp)
{
    g_autofree char *name = g_strdup_printf("jit-%d.dump", (int)getpid());
    DumpHeader h = {DUMP_MAGIC, DUMP_VERSION, sizeof(h), EM_X86_64, 0, (uint32_t)getpid(), now(), 0};

    dump = create("jitdump", name, errp);
    if (!dump)
        return false;
    /* How perf learns of the file: as something that is mapped to be executed. */
    if (mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_EXEC, MAP_PRIVATE, fileno(dump), 0) == MAP_FAILED)
        return error_set_errno(errp, errno, "-jitdump: cannot map '%s'", name);
    fwrite(&h, sizeof(h), 1, dump);
    fflush(dump);
    return true;
}

bool tcg_perf_init(Error **errp)
{
    g_autofree char *name = g_strdup_printf("/tmp/perf-%d.map", (int)getpid());

    if (accel_perfmap && !map && !(map = create("perfmap", name, errp)))
        return false;
    return !accel_jitdump || dump || begin_dump(errp);
}

void tcg_perf_code(const void *address, const void *bytes, size_t size, const char *name)
{
    g_mutex_lock(&lock);
    if (map) {
        fprintf(map, "%" PRIxPTR " %zx %s\n", (uintptr_t)address, size, name);
        fflush(map);
    }
    if (dump) {
        size_t length = strlen(name) + 1;
        LoadRecord r = {
            .id = RECORD_LOAD,
            .size = (uint32_t)(sizeof(r) + length + size),
            .timestamp = now(),
            .pid = (uint32_t)getpid(),
            .tid = (uint32_t)syscall(SYS_gettid),
            .vma = (uintptr_t)address,
            .address = (uintptr_t)address,
            .code_size = size,
            .index = dump_index++,
        };

        fwrite(&r, sizeof(r), 1, dump);
        fwrite(name, length, 1, dump);
        fwrite(bytes, size, 1, dump);
        fflush(dump);
    }
    g_mutex_unlock(&lock);
}
