/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * serial and parallel: ports of the host. The serial one follows the guest's speed, frame, break and modem lines; the
 * parallel one takes bytes through the kernel's ppdev in compatibility mode (what printers understand).
 */
#include "chardev/fd.h"

#include <fcntl.h>
#include <linux/parport.h>
#include <linux/ppdev.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "util/fds.h"

static const struct {
    unsigned baud;
    speed_t code;
} speeds[] = {
    {50, B50},         {75, B75},         {110, B110},         {134, B134},         {150, B150},
    {200, B200},       {300, B300},       {600, B600},         {1200, B1200},       {1800, B1800},
    {2400, B2400},     {4800, B4800},     {9600, B9600},       {19200, B19200},     {38400, B38400},
    {57600, B57600},   {115200, B115200}, {230400, B230400},   {460800, B460800},   {500000, B500000},
    {576000, B576000}, {921600, B921600}, {1000000, B1000000}, {1152000, B1152000}, {1500000, B1500000},
};

/* The nearest speed that termios has a name for: a divisor seldom gives one exactly. */
static speed_t nearest_speed(unsigned baud)
{
    unsigned best = 0;
    for (unsigned i = 1; i < ARRAY_SIZE(speeds); i++) {
        if (llabs((long long)speeds[i].baud - baud) < llabs((long long)speeds[best].baud - baud))
            best = i;
    }
    return speeds[best].code;
}

static bool serial_params(Chardev *c, unsigned baud, char parity, unsigned data_bits, unsigned stop_bits)
{
    static const tcflag_t sizes[] = {CS5, CS6, CS7, CS8};
    int fd = ((FdChardev *)c)->in;
    struct termios t;
    if (tcgetattr(fd, &t) < 0)
        return false;
    speed_t speed = nearest_speed(baud);
    cfmakeraw(&t);
    cfsetispeed(&t, speed);
    cfsetospeed(&t, speed);
    t.c_cflag &= ~(PARENB | PARODD | CRTSCTS | CSTOPB | CSIZE);
    t.c_cflag |= CREAD | CLOCAL | sizes[CLAMP(data_bits, 5, 8) - 5];
    if (parity == 'E')
        t.c_cflag |= PARENB;
    else if (parity == 'O')
        t.c_cflag |= PARENB | PARODD;
    if (stop_bits == 2)
        t.c_cflag |= CSTOPB;
    return tcsetattr(fd, TCSANOW, &t) == 0;
}

static bool serial_break(Chardev *c, bool on)
{
    return ioctl(((FdChardev *)c)->in, on ? TIOCSBRK : TIOCCBRK) == 0;
}

static int serial_get_modem(Chardev *c)
{
    int bits;
    return ioctl(((FdChardev *)c)->in, TIOCMGET, &bits) < 0 ? -ENOTSUP : bits;
}

static int serial_set_modem(Chardev *c, int bits)
{
    int now;
    if (ioctl(((FdChardev *)c)->in, TIOCMGET, &now) < 0)
        return -ENOTSUP;
    now = (now & ~(TIOCM_DTR | TIOCM_RTS)) | (bits & (TIOCM_DTR | TIOCM_RTS));
    return ioctl(((FdChardev *)c)->in, TIOCMSET, &now) < 0 ? -errno : 0;
}

static bool serial_open(Chardev *c, const Json *opts, Error **errp)
{
    const char *path = opt_str(opts, "path");
    if (!path)
        return error_set(errp, "chardev: serial/tty: no device path given");
    int fd = file_open(path, O_RDWR | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0)
        return error_set_errno(errp, -fd, "Could not open '%s'", path);
    fd_chardev_start((FdChardev *)c, fd, fd);
    serial_params(c, 115200, 'N', 8, 1);
    return true;
}

static bool parallel_open(Chardev *c, const Json *opts, Error **errp)
{
    const char *path = opt_str(opts, "path");
    if (!path)
        return error_set(errp, "chardev: parallel: no device path given");
    int fd = file_open(path, O_RDWR | O_NOCTTY, 0);
    if (fd < 0)
        return error_set_errno(errp, -fd, "Could not open '%s'", path);
    int mode = IEEE1284_MODE_COMPAT;
    if (ioctl(fd, PPCLAIM) < 0 || ioctl(fd, PPNEGOT, &mode) < 0) {
        error_set_errno(errp, errno, "not a parallel port");
        close(fd);
        return false;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fd_chardev_start((FdChardev *)c, -1, fd);
    return true;
}

static void parallel_close(Chardev *c)
{
    FdChardev *f = (FdChardev *)c;
    if (f->started)
        ioctl(f->out, PPRELEASE);
    fd_chardev_close(c);
}

const CharDriver chardev_serial = {
    .name = "serial",
    .alias = "tty",
    .summary = "a serial port of the host",
    .size = sizeof(FdChardev),
    .options = (const char *const[]){"path", NULL},
    .open = serial_open,
    .close = fd_chardev_close,
    .write = fd_chardev_write,
    .write_fd = fd_chardev_write_fd,
    .update = fd_chardev_update,
    .serial_params = serial_params,
    .set_break = serial_break,
    .get_modem = serial_get_modem,
    .set_modem = serial_set_modem,
};

const CharDriver chardev_parallel = {
    .name = "parallel",
    .alias = "parport",
    .summary = "a parallel port of the host",
    .size = sizeof(FdChardev),
    .options = (const char *const[]){"path", NULL},
    .open = parallel_open,
    .close = parallel_close,
    .write = fd_chardev_write,
    .write_fd = fd_chardev_write_fd,
};
