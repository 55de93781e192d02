/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * screendump: a console's picture as a binary PPM (P6) or PNG file. A file that is there is written in place: it keeps
 * its mode, its label and its other names, and the folder need not be writable. "/dev/fdset/N" is a descriptor that was
 * handed over.
 */
#include "ui/console.h"
#include "util/fds.h"

#include <fcntl.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <unistd.h>

/* One line as R, G, B bytes. */
static void line_rgb(const Surface *s, unsigned y, uint8_t *out)
{
    const uint32_t *in = (const uint32_t *)(surface_data(s) + (size_t)y * surface_stride(s));

    for (unsigned x = 0; x < surface_width(s); x++) {
        *out++ = in[x] >> 16;
        *out++ = in[x] >> 8;
        *out++ = in[x];
    }
}

static bool write_ppm(FILE *f, const Surface *s)
{
    g_autofree uint8_t *line = g_malloc((size_t)surface_width(s) * 3);

    fprintf(f, "P6\n%u %u\n%u\n", surface_width(s), surface_height(s), 255);
    for (unsigned y = 0; y < surface_height(s); y++) {
        line_rgb(s, y, line);
        if (fwrite(line, 3, surface_width(s), f) != surface_width(s))
            return false;
    }
    return true;
}

static void png_failed(png_structp png, png_const_charp message)
{
    longjmp(png_jmpbuf(png), 1);
}
static void png_warned(png_structp png, png_const_charp message)
{
}

static bool write_png(FILE *f, const Surface *s)
{
    uint8_t *volatile line = NULL;
    volatile bool ok = false;
    png_infop info;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, png_failed, png_warned);

    if (!png)
        return false;
    info = png_create_info_struct(png);
    if (info && !setjmp(png_jmpbuf(png))) {
        png_init_io(png, f);
        png_set_IHDR(png, info, surface_width(s), surface_height(s), 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                     PNG_COMPRESSION_TYPE_BASE, PNG_FILTER_TYPE_BASE);
        png_write_info(png, info);
        line = g_malloc((size_t)surface_width(s) * 3);
        for (unsigned y = 0; y < surface_height(s); y++) {
            line_rgb(s, y, line);
            png_write_row(png, line);
        }
        png_write_end(png, NULL);
        ok = true;
    }
    g_free(line);
    png_destroy_write_struct(&png, &info);
    return ok;
}

/* made: the file was not there before. */
static int open_output(const char *filename, bool *made)
{
    int fd = file_open(filename, O_WRONLY | O_CREAT | O_EXCL, 0666);

    *made = fd >= 0 && !g_str_has_prefix(filename, "/dev/fdset/");
    return fd == -EEXIST ? file_open(filename, O_WRONLY | O_CREAT | O_TRUNC, 0666) : fd;
}

bool screendump(const char *filename, const char *device, int64_t head, const char *format, Error **errp)
{
    bool png = !g_strcmp0(format, "png"), ok, made;
    Console *con;
    Surface *s;
    FILE *f;
    int fd, err;

    if (format && !png && strcmp(format, "ppm"))
        return error_set(errp, "Parameter 'format' does not accept value '%s': it is ppm or png", format);
    if (head >= 0 && !device)
        return error_set(errp, "'head' must be specified together with 'device'");
    if (head > UINT32_MAX)
        return error_set(errp, "'head' is out of range");
    con = console_find(device, head < 0 ? 0 : head, errp);
    if (!con)
        return false;

    fd = open_output(filename, &made);
    if (fd < 0)
        return error_set_errno(errp, -fd, "failed to open file '%s'", filename);
    f = fdopen(fd, "wb");
    if (!f) {
        err = errno;
        close(fd);
        if (made)
            unlink(filename);
        return error_set_errno(errp, err, "failed to open file '%s'", filename);
    }
    console_refresh(con);
    s = surface_ref(console_surface(con));
    errno = 0;
    ok = (png ? write_png(f, s) : write_ppm(f, s)) && !ferror(f);
    err = errno;
    if (fclose(f) && ok) {
        ok = false;
        err = errno;
    }
    surface_unref(s);
    if (!ok) {
        if (made)
            unlink(filename);
        return error_set_errno(errp, err ? err : EIO, "could not write the picture to '%s'", filename);
    }
    return true;
}
