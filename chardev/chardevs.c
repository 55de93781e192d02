/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of back ends, in the order that -chardev help shows. */
#include "chardev/driver.h"

const CharDriver *const chardev_table[] = {
    &chardev_null, &chardev_socket, &chardev_udp,    &chardev_mux,      &chardev_ringbuf, &chardev_file, &chardev_pipe,
    &chardev_pty,  &chardev_stdio,  &chardev_serial, &chardev_parallel, &chardev_vc,      NULL,
};
