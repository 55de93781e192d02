/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Consoles and displays.
 *
 * A Console is one output of a guest display device: a surface of pixels, and perhaps a text screen and a mouse cursor.
 * The device is the producer; a DisplayListener (a terminal, a VNC server) is a consumer. Pictures are pulled: a
 * listener, or screendump, calls console_refresh(), the device then draws what changed since the last time and reports
 * rectangles, which reach every listener.
 *
 * A surface is always 32 bits a pixel, x8r8g8b8 in host byte order, or shows guest memory in place where that has just
 * this format. All of this under the VM lock, in any thread.
 */
#ifndef UI_CONSOLE_H
#define UI_CONSOLE_H

#include "util/json.h"
#include <pixman.h>

typedef struct Device Device;
typedef struct Console Console;
typedef struct DisplayListener DisplayListener;

/* Pixels. Reference counted: a listener on another thread may keep one. */
typedef struct Surface {
    pixman_image_t *image;
    int refs;         /* atomic */
    bool shared;      /* the pixels are guest memory, not ours */
    bool placeholder; /* a message drawn by us, no guest's picture */
} Surface;
Surface *surface_new(unsigned width, unsigned height);
/* Shows memory in place; data must outlive the surface. */
Surface *surface_new_shared(unsigned width, unsigned height, pixman_format_code_t format, unsigned stride, void *data);
/* A picture with a line of text in the middle, for what has no picture. */
Surface *surface_new_message(unsigned width, unsigned height, const char *message);
Surface *surface_ref(Surface *s);
void surface_unref(Surface *s); /* NULL is allowed */
static inline unsigned surface_width(const Surface *s)
{
    return pixman_image_get_width(s->image);
}
static inline unsigned surface_height(const Surface *s)
{
    return pixman_image_get_height(s->image);
}
static inline unsigned surface_stride(const Surface *s) /* bytes */
{
    return pixman_image_get_stride(s->image);
}
static inline uint8_t *surface_data(const Surface *s)
{
    return (uint8_t *)pixman_image_get_data(s->image);
}

#define CONSOLE_MAX_WIDTH  16384
#define CONSOLE_MAX_HEIGHT 16384

/* A character screen as a terminal can show it. */
typedef struct TextScreen {
    unsigned cols, rows;
    const uint8_t *cells; /* of the first cell; each row stride, each cell cell_step bytes: character, attribute */
    unsigned stride, step;
    bool cursor_on;
    unsigned cursor_col, cursor_row;
} TextScreen;

/* A hardware mouse pointer, a8r8g8b8. */
typedef struct Cursor {
    unsigned width, height, hot_x, hot_y;
    int refs;
    uint32_t pixels[];
} Cursor;
Cursor *cursor_new(unsigned width, unsigned height); /* NULL over 512 x 512 */
Cursor *cursor_ref(Cursor *c);
void cursor_unref(Cursor *c);

typedef struct ConsoleOps {
    void (*update)(void *opaque);     /* draw what changed; console_set_surface() and console_damage() as needed */
    void (*invalidate)(void *opaque); /* the next update draws everything */
    bool (*text)(void *opaque, TextScreen *out); /* false: it is in a graphics mode. NULL: never has text. Valid until
                                                    the lock is dropped */
    void (*resize_hint)(void *opaque, unsigned width, unsigned height); /* a window was resized; may be NULL */
} ConsoleOps;

/* For devices: made in realize, freed in unrealize. dev may be NULL. */
Console *console_new(Device *dev, unsigned head, const ConsoleOps *ops, void *opaque);
Console *console_new_beside(const ConsoleOps *ops, void *opaque); /* one that console_at() does not tell of */
const ConsoleOps *console_ops(const Console *con);
void *console_opaque(const Console *con);
void console_free(Console *con);
void console_set_surface(Console *con, Surface *s);                                /* takes s; tells the listeners */
Surface *console_surface(Console *con);                                            /* borrowed, never NULL */
void console_damage(Console *con, unsigned x, unsigned y, unsigned w, unsigned h); /* clipped */
void console_set_cursor(Console *con, Cursor *c);                                  /* takes c; NULL hides */
void console_move_cursor(Console *con, int x, int y, bool visible);

/* For consumers. */
unsigned console_count(void);
Console *console_at(unsigned index);                                    /* NULL past the end */
Console *console_find(const char *device, unsigned head, Error **errp); /* device id; NULL: the first */
unsigned console_index(const Console *con);
Device *console_device(const Console *con);
unsigned console_head(const Console *con);
void console_refresh(Console *con); /* pull: update() */
void console_invalidate(Console *con);
bool console_text(Console *con, TextScreen *out);
void console_resize_hint(Console *con, unsigned width, unsigned height);

typedef struct DisplayListenerOps {
    void (*surface)(DisplayListener *l, Surface *s); /* another surface; everything is to be drawn. Required */
    void (*damage)(DisplayListener *l, unsigned x, unsigned y, unsigned w, unsigned h);
    void (*cursor)(DisplayListener *l, Cursor *c);
    void (*move_cursor)(DisplayListener *l, int x, int y, bool visible);
    void (*gone)(DisplayListener *l); /* the console is about to be freed; the listener is off it already */
} DisplayListenerOps;
struct DisplayListener {
    const DisplayListenerOps *ops;
    Console *con; /* what it shows; NULL: detached */
    DisplayListener *next;
};
void display_listener_attach(DisplayListener *l, Console *con); /* hears surface (and cursor) at once */
void display_listener_detach(DisplayListener *l);

/* Displays: what -display takes. */
typedef struct DisplayDesc {
    const char *name;
    const char *summary;
    const char *const *options;                   /* names accepted beside type=; NULL: none */
    bool (*init)(const Json *opts, Error **errp); /* after the machine is made */
    void (*exit)(void);                           /* terminal back to what it was; may be NULL */
    const char *module;                           /* where init and exit are, by these names; NULL: here */
    const char *init_name, *exit_name;
    bool not_qmp; /* QMP knows no such type: query-display-options says none */
} DisplayDesc;
extern const DisplayDesc *const display_table[];
void display_help(void); /* -display help, to stdout */
/* "none", "curses,charset=CP437"; JSON text too. Repeating replaces. -nographic and -curses are
 * display_option("none"/"curses"). */
bool display_option(const char *text, Error **errp);
bool display_named(void);          /* an option said which */
bool display_init(Error **errp);   /* when the machine is made: starts the chosen one; none where none was named */
void display_exit(void);           /* at exit; harmless when called twice */
const char *display_type(void);    /* the chosen name */
Json *display_query_options(void); /* query-display-options's reply */

/* -vga: the device to create for a type name on a machine with (or without) PCI. */
void vga_type_help(void); /* -vga help, to stdout */
/* *device becomes a device name, NULL for none. name NULL: the machine's default. */
bool vga_type_device(const char *name, bool pci, const char **device, Error **errp);

/* screendump: refreshes and writes the picture, atomically (a temporary file beside it, renamed). device NULL: the
 * first console; head < 0: not given; format NULL: "ppm"; else "ppm" or "png". */
bool screendump(const char *filename, const char *device, int64_t head, const char *format, Error **errp);

#endif
