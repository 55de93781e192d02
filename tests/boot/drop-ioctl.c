/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded by negative.py: one of KVM's calls does nothing and says that it worked (DROP_IOCTL=KVM_...), or is refused
 * (REFUSE_IOCTL=KVM_...); or a vCPU's dirty ring is empty memory (HIDE_RING=1). By run.py: COUNT_IOCTLS=FILE: at the
 * end there is in it how often KVM_RUN was called, and which other calls came from a thread that had called it.
 */
#undef _FILE_OFFSET_BITS /* mmap and mmap64 are two names here */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
    const char *name;
    unsigned long request;
} calls[] = {
    {"KVM_IOEVENTFD", KVM_IOEVENTFD},
    {"KVM_REGISTER_COALESCED_MMIO", KVM_REGISTER_COALESCED_MMIO},
    {"KVM_IRQFD", KVM_IRQFD},
    {"KVM_SIGNAL_MSI", KVM_SIGNAL_MSI},
    {"KVM_GET_DIRTY_LOG", KVM_GET_DIRTY_LOG},
    {"KVM_CLEAR_DIRTY_LOG", KVM_CLEAR_DIRTY_LOG},
    {"KVM_IRQ_LINE", KVM_IRQ_LINE},
    {"KVM_SET_GSI_ROUTING", KVM_SET_GSI_ROUTING},
    {"KVM_CREATE_PIT2", KVM_CREATE_PIT2},
};

#define RING_OFFSET (KVM_DIRTY_LOG_PAGE_OFFSET * 4096L)

static unsigned long request_of(const char *variable)
{
    const char *name = getenv(variable);

    if (!name)
        return 0;
    for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (!strcmp(calls[i].name, name))
            return calls[i].request;
    }
    fprintf(stderr, "%s=%s: this call is not in the table of drop-ioctl.c\n", variable, name);
    _exit(99);
}

static unsigned long runs, others;
static __thread int is_vcpu;

static void count(unsigned long request)
{
    if (request == KVM_RUN) {
        is_vcpu = 1;
        __atomic_fetch_add(&runs, 1, __ATOMIC_RELAXED);
    } else if (is_vcpu) {
        __atomic_fetch_add(&others, 1, __ATOMIC_RELAXED);
    }
}

__attribute__((destructor)) static void tell_counts(void)
{
    const char *path = getenv("COUNT_IOCTLS");
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;

    if (fd >= 0) {
        dprintf(fd, "%lu %lu\n", runs, others);
        close(fd);
    }
}

int ioctl(int fd, unsigned long request, ...)
{
    static unsigned long dropped, refused;
    static int known;
    va_list ap;

    if (!known) {
        dropped = request_of("DROP_IOCTL");
        refused = request_of("REFUSE_IOCTL");
        known = 1;
    }
    va_start(ap, request);
    void *arg = va_arg(ap, void *);
    va_end(ap);
    count(request);
    if (dropped && request == dropped)
        return 0;
    if (refused && request == refused) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_ioctl, fd, request, arg);
}

static void *map(void *addr, size_t len, int prot, int flags, int fd, off64_t off)
{
    if (fd >= 0 && off == RING_OFFSET && getenv("HIDE_RING")) {
        flags = MAP_PRIVATE | MAP_ANONYMOUS;
        fd = -1;
        off = 0;
    }
    return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, off);
}

/* By either name, as programs with 64-bit file offsets and others have it. */
void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off64_t off)
{
    return map(addr, len, prot, flags, fd, off);
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
    return map(addr, len, prot, flags, fd, off);
}
