/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Surfaces, consoles and the listeners on them. */
#include "ui/console.h"
#include "ui/font.h"
#include "ui/text-console.h"
#include "hw/core/device.h"

#define CURSOR_MAX 512

struct Console {
    Device *dev;
    unsigned head;
    const ConsoleOps *ops;
    void *opaque;
    Surface *surface;
    Cursor *cursor;
    int cursor_x, cursor_y;
    bool cursor_visible;
    DisplayListener *listeners;
};
static GPtrArray *consoles; /* of Console *, in order of creation */

static Surface *surface_wrap(pixman_image_t *image, bool shared)
{
    Surface *s = g_new0(Surface, 1);

    s->image = image;
    s->refs = 1;
    s->shared = shared;
    return s;
}

Surface *surface_new(unsigned width, unsigned height)
{
    width = CLAMP(width, 1, CONSOLE_MAX_WIDTH);
    height = CLAMP(height, 1, CONSOLE_MAX_HEIGHT);
    /* pixman zeroes it. Failure is lack of host memory: 1 GiB at most. */
    pixman_image_t *image = pixman_image_create_bits(PIXMAN_x8r8g8b8, width, height, NULL, 0);

    if (!image)
        g_error("out of memory for a picture of %ux%u", width, height);
    return surface_wrap(image, false);
}

Surface *surface_new_shared(unsigned width, unsigned height, pixman_format_code_t format, unsigned stride, void *data)
{
    pixman_image_t *image = pixman_image_create_bits_no_clear(format, width, height, data, stride);

    if (!image)
        return surface_new(width, height);
    return surface_wrap(image, true);
}

Surface *surface_new_message(unsigned width, unsigned height, const char *message)
{
    Surface *s = surface_new(width, height);
    unsigned len = strlen(message) * FONT_ADVANCE;
    unsigned left = len < width ? (width - len) / 2 : 0, top = height / 2 - FONT_HEIGHT / 2;

    s->placeholder = true;
    for (; *message && left + FONT_ADVANCE <= width; message++, left += FONT_ADVANCE) {
        for (unsigned y = 0; y < FONT_HEIGHT && top + y < height; y++) {
            uint32_t *out = (uint32_t *)(surface_data(s) + (size_t)(top + y) * surface_stride(s)) + left;

            for (unsigned x = 0; x < FONT_WIDTH; x++)
                if (font_pixel(*message, x, y))
                    out[x] = 0xaaaaaa;
        }
    }
    return s;
}

Surface *surface_ref(Surface *s)
{
    __atomic_fetch_add(&s->refs, 1, __ATOMIC_RELAXED);
    return s;
}

void surface_unref(Surface *s)
{
    if (!s || __atomic_fetch_sub(&s->refs, 1, __ATOMIC_ACQ_REL) != 1)
        return;
    pixman_image_unref(s->image);
    g_free(s);
}

Cursor *cursor_new(unsigned width, unsigned height)
{
    Cursor *c;

    if (width > CURSOR_MAX || height > CURSOR_MAX)
        return NULL;
    c = g_malloc0(sizeof(*c) + (size_t)width * height * 4);
    c->width = width;
    c->height = height;
    c->refs = 1;
    return c;
}

Cursor *cursor_ref(Cursor *c)
{
    __atomic_fetch_add(&c->refs, 1, __ATOMIC_RELAXED);
    return c;
}

void cursor_unref(Cursor *c)
{
    if (c && __atomic_fetch_sub(&c->refs, 1, __ATOMIC_ACQ_REL) == 1)
        g_free(c);
}

Console *console_new(Device *dev, unsigned head, const ConsoleOps *ops, void *opaque)
{
    Console *con = g_new0(Console, 1);

    con->dev = dev;
    con->head = head;
    con->ops = ops;
    con->opaque = opaque;
    con->surface = surface_new_message(640, 480, "Guest has not initialized the display (yet).");
    if (!consoles)
        consoles = g_ptr_array_new();
    g_ptr_array_add(consoles, con);
    return con;
}

Console *console_new_beside(const ConsoleOps *ops, void *opaque)
{
    Console *con = g_new0(Console, 1);

    con->ops = ops;
    con->opaque = opaque;
    con->surface = surface_new(1, 1);
    return con;
}

const ConsoleOps *console_ops(const Console *con)
{
    return con->ops;
}

void *console_opaque(const Console *con)
{
    return con->opaque;
}

void console_free(Console *con)
{
    while (con->listeners) {
        DisplayListener *l = con->listeners;

        display_listener_detach(l);
        if (l->ops->gone)
            l->ops->gone(l);
    }
    g_ptr_array_remove(consoles, con);
    surface_unref(con->surface);
    cursor_unref(con->cursor);
    g_free(con);
}

void console_set_surface(Console *con, Surface *s)
{
    Surface *old = con->surface;

    con->surface = s;
    for (DisplayListener *l = con->listeners; l; l = l->next)
        l->ops->surface(l, s);
    surface_unref(old);
}

Surface *console_surface(Console *con)
{
    return con->surface;
}

void console_damage(Console *con, unsigned x, unsigned y, unsigned w, unsigned h)
{
    unsigned width = surface_width(con->surface), height = surface_height(con->surface);

    if (x >= width || y >= height)
        return;
    w = MIN(w, width - x);
    h = MIN(h, height - y);
    for (DisplayListener *l = con->listeners; l; l = l->next)
        if (l->ops->damage)
            l->ops->damage(l, x, y, w, h);
}

void console_set_cursor(Console *con, Cursor *c)
{
    Cursor *old = con->cursor;

    con->cursor = c;
    for (DisplayListener *l = con->listeners; l; l = l->next)
        if (l->ops->cursor)
            l->ops->cursor(l, c);
    cursor_unref(old);
}

void console_move_cursor(Console *con, int x, int y, bool visible)
{
    con->cursor_x = x;
    con->cursor_y = y;
    con->cursor_visible = visible;
    for (DisplayListener *l = con->listeners; l; l = l->next)
        if (l->ops->move_cursor)
            l->ops->move_cursor(l, x, y, visible);
}

unsigned console_count(void)
{
    return consoles ? consoles->len : 0;
}

Console *console_at(unsigned index)
{
    return index < console_count() ? consoles->pdata[index] : NULL;
}

unsigned console_index(const Console *con)
{
    unsigned i = 0;

    while (consoles->pdata[i] != con)
        i++;
    return i;
}

Device *console_device(const Console *con)
{
    return con->dev;
}

unsigned console_head(const Console *con)
{
    return con->head;
}

Console *console_find(const char *device, unsigned head, Error **errp)
{
    Device *dev;

    if (!device) {
        Console *con = console_count() ? console_at(0) : text_console(0);

        if (!con)
            error_set(errp, "There is no console to take a screendump from");
        return con;
    }
    dev = device_find(device);
    if (!dev) {
        error_set_class(errp, ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", device);
        return NULL;
    }
    for (unsigned i = 0; i < console_count(); i++) {
        Console *con = console_at(i);

        if (con->dev == dev && con->head == head)
            return con;
    }
    error_set(errp, "Device %s (head %u) is not bound to a QemuConsole", device, head);
    return NULL;
}

void console_refresh(Console *con)
{
    if (con->ops->update)
        con->ops->update(con->opaque);
}

void console_invalidate(Console *con)
{
    if (con->ops->invalidate)
        con->ops->invalidate(con->opaque);
}

bool console_text(Console *con, TextScreen *out)
{
    return con->ops->text && con->ops->text(con->opaque, out);
}

void console_resize_hint(Console *con, unsigned width, unsigned height)
{
    if (con->ops->resize_hint)
        con->ops->resize_hint(con->opaque, width, height);
}

void display_listener_attach(DisplayListener *l, Console *con)
{
    if (l->con)
        display_listener_detach(l);
    l->con = con;
    l->next = con->listeners;
    con->listeners = l;
    l->ops->surface(l, con->surface);
    if (con->cursor && l->ops->cursor)
        l->ops->cursor(l, con->cursor);
    if (l->ops->move_cursor)
        l->ops->move_cursor(l, con->cursor_x, con->cursor_y, con->cursor_visible);
}

void display_listener_detach(DisplayListener *l)
{
    DisplayListener **p;

    if (!l->con)
        return;
    for (p = &l->con->listeners; *p != l; p = &(*p)->next)
        ;
    *p = l->next;
    l->con = NULL;
    l->next = NULL;
}
