/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Preloaded by vnc.py: whoever asks the kernel to give a TCP peer up after minutes gets seconds. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    static const int one = 1, three = 3, user_ms = 3000;

    if (level == IPPROTO_TCP && len == sizeof(int)) {
        if (name == TCP_KEEPIDLE || name == TCP_KEEPINTVL)
            value = &one;
        else if (name == TCP_KEEPCNT)
            value = &three;
        else if (name == TCP_USER_TIMEOUT)
            value = &user_ms;
    }
    return (int)syscall(SYS_setsockopt, fd, level, name, value, len);
}
