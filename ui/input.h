/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Input: keys and pointers, from a display or the monitor to the guest device that wants them.
 *
 * A key is a KeyCode: a place on the keyboard, by the names of QMP's QKeyCode. ui/keys.c has the table of names, PS/2
 * scan codes, USB and Linux codes. All of this under the VM lock.
 */
#ifndef UI_INPUT_H
#define UI_INPUT_H

#include "util/json.h"

typedef struct Console Console;

/* QMP's QKeyCode, in its order; ui/keys.h is the one list. */
typedef enum KeyCode {
#define KEY(id, name, ...) KEY_CODE_##id,
#include "ui/keys.h"
#undef KEY
    KEY_CODES,
} KeyCode;

const char *key_name(KeyCode k); /* "ctrl", "kp_0" */
bool key_by_name(const char *name, KeyCode *out);
/* PS/2 scan code sets 1, 2, 3: the make code, 0 where the set has none. An e0-prefixed code is 0xe000 | code. */
uint16_t key_scancode(KeyCode k, unsigned set);
/* QEMU's key numbers: set 1 with bit 7 for e0-prefixed keys. 0 / KEY_CODE_UNMAPPED: none. */
unsigned key_number(KeyCode k);
KeyCode key_by_number(unsigned n);
unsigned key_usb(KeyCode k); /* HID keyboard usage, 0: none */

typedef enum InputButton {
    BUTTON_LEFT,
    BUTTON_MIDDLE,
    BUTTON_RIGHT,
    BUTTON_WHEEL_UP,
    BUTTON_WHEEL_DOWN,
    BUTTON_SIDE,
    BUTTON_EXTRA,
    BUTTON_WHEEL_LEFT,
    BUTTON_WHEEL_RIGHT,
    BUTTON_TOUCH,
    INPUT_BUTTONS,
} InputButton;
typedef enum InputAxis { AXIS_X, AXIS_Y, INPUT_AXES } InputAxis;
#define INPUT_ABS_MAX 0x7fff

enum { INPUT_KEY = 1, INPUT_BTN = 2, INPUT_REL = 4, INPUT_ABS = 8 }; /* kinds of events a handler takes */

typedef struct InputEvent {
    unsigned kind; /* one of the above */
    union {
        struct {
            KeyCode code;
            bool down;
        } key;
        struct {
            InputButton button;
            bool down;
        } btn;
        struct {
            InputAxis axis;
            int32_t value;
        } move; /* REL: counts; ABS: 0 .. INPUT_ABS_MAX */
    };
} InputEvent;

/* A guest device that takes input. Embedded in the device's struct. The handler that was activated last gets an event.
 */
typedef struct InputHandler InputHandler;
struct InputHandler {
    const char *name; /* query-mice: "QEMU PS/2 Mouse" */
    unsigned kinds;
    void (*event)(InputHandler *h, const InputEvent *ev);
    void (*sync)(InputHandler *h); /* a group of events is complete; may be NULL */
    Console *con;                  /* NULL: input of every console */
    unsigned id;                   /* given at registration */
    InputHandler *next;
};
void input_register(InputHandler *h);   /* last in the list of those that may get events */
void input_activate(InputHandler *h);   /* becomes the first */
void input_unregister(InputHandler *h); /* nothing where it is not registered */

/* Events of a source; end a group (all that happened at once) with input_sync(). Dropped while the VM neither runs nor
 * is suspended. con may be NULL. */
void input_key(Console *con, KeyCode k, bool down);
void input_button(Console *con, InputButton b, bool down);
void input_rel(Console *con, InputAxis axis, int32_t value);
void input_abs(Console *con, InputAxis axis, int64_t value, int64_t min, int64_t max);
void input_send(Console *con, const InputEvent *ev);
void input_sync(void);
bool input_is_absolute(Console *con); /* the handler in charge wants absolute positions */

/* Keyboard lights, from the guest: bit 0 scroll, 1 num, 2 caps lock. */
void input_set_leds(unsigned leds);
unsigned input_leds(void);

/* QMP and HMP. */
/* send-key: keys is the array of {type, data}; hold_ms < 0: 100 ms. Each goes down, in order, then up, in reverse, the
 * hold time apart. */
bool input_send_keys(const Json *keys, int64_t hold_ms, Error **errp);
/* HMP sendkey: "ctrl-alt-delete", "a", "0x1e", "<". hold_ms < 0: 100 ms. */
bool input_send_key_text(const char *keys, int64_t hold_ms, Error **errp);
/* input-send-event: events is the array. device NULL: no particular console. Nothing is sent where one of them is
 * wrong. */
bool input_send_events(const char *device, int64_t head, const Json *events, Error **errp);
/* HMP mouse_move dx dy [dz], mouse_button state (bit 0 left, 1 right, 2 middle). */
void input_mouse_move(int dx, int dy, int dz);
void input_mouse_button(unsigned state);
Json *input_query_mice(void);                       /* query-mice's reply */
bool input_set_mouse(unsigned index, Error **errp); /* HMP mouse_set */

#endif
