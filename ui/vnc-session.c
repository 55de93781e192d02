/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One viewer, by libvncserver: RFB 3.8 (RFC 6143) past its handshake, which vnc-client.c does. Of the client's messages
 * only those that this server has a use for reach the library: file transfer, scaling and chat are refused, clipboards
 * are skipped. What QEMU has beside RFC 6143 is here: the extended key event, pointer type, LED state and alpha cursor
 * pseudo-encodings. One thread.
 */
#include "ui/keymap.h"
#include "ui/vnc-internal.h"

#include <fcntl.h>
#include <rfb/rfb.h>
#include <rfb/rfbregion.h> /* rfb.h has macros that need it */
#include <sys/socket.h>
#include <unistd.h>

/* Longest wait for a peer in the middle of a message, either way. */
#define STALL_MS 180000
/* Longest clipboard text that is skipped. */
#define CUT_TEXT_MAX (1024 * 1024)

enum { MSG_QEMU = 255, MSG_QEMU_KEY = 0 };
/* Pseudo-encodings. */
enum { ENC_POINTER_TYPE = -257, ENC_EXT_KEY = -258, ENC_LED_STATE = -261, ENC_ALPHA_CURSOR = -314 };

struct VncSession {
    rfbScreenInfoPtr screen;
    rfbClientPtr cl;
    uint32_t *pixels;
    bool lossy, ext_key, pointer_type, led_state, alpha_cursor;
    bool ext_key_told, rich_cursor;
    VncState told; /* what the viewer knows; leds and absolute: ~0 not told yet */
    bool told_leds, told_absolute, told_cursor;
    VncState now;
    unsigned buttons;
    GArray *out; /* while a message is handled */
};

static int extra_encodings[] = {ENC_POINTER_TYPE, ENC_EXT_KEY, ENC_LED_STATE, ENC_ALPHA_CURSOR, 0};

static VncSession *session_of(rfbClientPtr cl)
{
    return cl->screen->screenData;
}

static rfbBool extension_new(rfbClientPtr cl, void **data)
{
    return TRUE;
}

static rfbBool extension_encoding(rfbClientPtr cl, void **data, int encoding)
{
    VncSession *v = session_of(cl);

    switch (encoding) {
    case ENC_POINTER_TYPE:
        v->pointer_type = true;
        return TRUE;
    case ENC_EXT_KEY:
        v->ext_key = true;
        return TRUE;
    case ENC_LED_STATE:
        v->led_state = true;
        return TRUE;
    case ENC_ALPHA_CURSOR:
        v->alpha_cursor = true;
        return TRUE;
    default:
        return FALSE;
    }
}

static rfbProtocolExtension extension = {
    .newClient = extension_new, .pseudoEncodings = extra_encodings, .enablePseudoEncoding = extension_encoding};

static void silent(const char *format, ...)
{
}

static void add_input(VncSession *v, VncInput in)
{
    if (v->out)
        g_array_append_val(v->out, in);
}

static void key_symbol(rfbBool down, rfbKeySym sym, rfbClientPtr cl)
{
    add_input(session_of(cl), (VncInput){.kind = VNC_KEY, .key = keymap_lookup(sym), .down = down});
}

static void pointer(int buttons, int x, int y, rfbClientPtr cl)
{
    add_input(session_of(cl), (VncInput){.kind = VNC_POINTER, .buttons = (unsigned)buttons, .x = x, .y = y});
}

static int resize(int width, int height, int screens, struct rfbExtDesktopScreen *list, rfbClientPtr cl)
{
    add_input(session_of(cl), (VncInput){.kind = VNC_RESIZE, .x = width, .y = height});
    return rfbExtDesktopSize_ResizeProhibited; /* a size that the guest takes up is told as the guest's own change */
}

static rfbBool power(rfbClientPtr cl, uint8_t version, uint8_t code)
{
    if (version != 1 || code < rfbXvp_Shutdown || code > rfbXvp_Reset)
        return FALSE;
    add_input(session_of(cl), (VncInput){.kind = VNC_POWER, .x = code});
    return TRUE;
}

static enum rfbNewClientAction accept_client(rfbClientPtr cl)
{
    return RFB_CLIENT_ACCEPT;
}

static void library_init(void)
{
    static gsize done;

    if (g_once_init_enter(&done)) {
        rfbLogEnable(FALSE);
        rfbLog = rfbErr = silent;
        rfbRegisterProtocolExtension(&extension);
        g_once_init_leave(&done, 1);
    }
}

/* x8r8g8b8: what ServerInit told. */
static void set_format(rfbScreenInfoPtr s)
{
    s->depth = s->serverFormat.depth = 24;
    s->serverFormat.redShift = 16;
    s->serverFormat.greenShift = 8;
    s->serverFormat.blueShift = 0;
}

VncSession *vnc_session_new(const VncSessionConfig *cfg)
{
    VncSession *v = g_new0(VncSession, 1);
    rfbScreenInfoPtr s;
    int ends[2];

    library_init();
    v->lossy = cfg->lossy;
    s = v->screen = rfbGetScreen(NULL, NULL, (int)cfg->width, (int)cfg->height, 8, 3, 4);
    if (!s)
        goto fail;
    v->pixels = g_new0(uint32_t, (size_t)cfg->width * cfg->height);
    s->frameBuffer = (char *)v->pixels;
    set_format(s);
    s->screenData = v;
    s->cursor = NULL;
    s->deferUpdateTime = 0;
    s->deferPtrUpdateTime = 0;
    s->alwaysShared = TRUE;
    s->maxClientWait = STALL_MS;
    s->handleEventsEagerly = FALSE;
    s->permitFileTransfer = FALSE;
    s->newClientHook = accept_client;
    s->kbdAddEvent = key_symbol;
    s->ptrAddEvent = pointer;
    s->setDesktopSizeHook = resize;
    s->setXCutTextUTF8 = NULL;
    s->xvpHook = cfg->power_control ? power : NULL;

    /* The library begins with a handshake of its own. It gets a socket whose peer seems to be a viewer already, so that
     * it does not wait to see whether that is a WebSocket; then the descriptor becomes the real connection, which is
     * past all this. */
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        goto fail;
    if (ends[0] >= FD_SETSIZE || write(ends[1], "RFB 003.008\n", 12) != 12) {
        close(ends[0]);
        close(ends[1]);
        goto fail;
    }
    v->cl = rfbNewClient(s, ends[0]);
    close(ends[1]);
    if (!v->cl)
        goto fail;
    if (dup3(cfg->fd, ends[0], O_CLOEXEC) < 0)
        goto fail;
    v->cl->protocolMajorVersion = 3;
    v->cl->protocolMinorVersion = 8;
    v->cl->state = RFB_NORMAL;
    v->cl->cursorWasChanged = FALSE;
    return v;
fail:
    vnc_session_free(v);
    return NULL;
}

void vnc_session_free(VncSession *v)
{
    if (v->cl)
        rfbClientConnectionGone(v->cl);
    if (v->screen)
        rfbScreenCleanup(v->screen);
    g_free(v->pixels);
    cursor_unref(v->told.cursor);
    cursor_unref(v->now.cursor);
    g_free(v);
}

uint32_t *vnc_session_pixels(VncSession *v)
{
    return v->pixels;
}

void vnc_session_resize(VncSession *v, unsigned width, unsigned height)
{
    uint32_t *old = v->pixels;

    v->pixels = g_new0(uint32_t, (size_t)width * height);
    rfbNewFramebuffer(v->screen, (char *)v->pixels, (int)width, (int)height, 8, 3, 4);
    set_format(v->screen);
    rfbSetTranslateFunction(v->cl);
    g_free(old);
}

void vnc_session_damage(VncSession *v, int x1, int y1, int x2, int y2)
{
    rfbMarkRectAsModified(v->screen, x1, y1, x2, y2);
}

/* A FramebufferUpdate with one rectangle of a pseudo-encoding. */
static bool send_pseudo(VncSession *v, unsigned x, unsigned y, unsigned w, unsigned h, int32_t encoding,
                        const void *data, size_t len)
{
    uint8_t head[16] = {0, 0, 0, 1};

    stw_be(head + 4, (uint16_t)x);
    stw_be(head + 6, (uint16_t)y);
    stw_be(head + 8, (uint16_t)w);
    stw_be(head + 10, (uint16_t)h);
    stl_be(head + 12, (uint32_t)encoding);
    if (rfbWriteExact(v->cl, (const char *)head, sizeof(head)) <= 0 ||
        (len && rfbWriteExact(v->cl, data, (int)len) <= 0)) {
        rfbCloseClient(v->cl);
        return false;
    }
    return true;
}

/* RGBA with colours multiplied by alpha. */
static void send_alpha_cursor(VncSession *v, const Cursor *c)
{
    size_t n = (size_t)c->width * c->height;
    g_autofree uint8_t *out = g_malloc0(4 + n * 4);

    for (size_t i = 0; i < n; i++) {
        uint32_t p = c->pixels[i], a = p >> 24;

        out[4 + i * 4] = (uint8_t)((p >> 16 & 255) * a / 255);
        out[5 + i * 4] = (uint8_t)((p >> 8 & 255) * a / 255);
        out[6 + i * 4] = (uint8_t)((p & 255) * a / 255);
        out[7 + i * 4] = (uint8_t)a;
    }
    send_pseudo(v, c->hot_x, c->hot_y, c->width, c->height, ENC_ALPHA_CURSOR, out, 4 + n * 4);
}

/* Pixels in the viewer's format, then a bit per pixel that is seen. */
static void send_rich_cursor(VncSession *v, const Cursor *c)
{
    unsigned bytes = v->cl->format.bitsPerPixel / 8, mask_stride = (c->width + 7) / 8;
    size_t pixels = (size_t)c->width * c->height * bytes, len = pixels + (size_t)mask_stride * c->height;
    g_autofree char *out = g_malloc0(len + 1);

    v->cl->translateFn(v->cl->translateLookupTable, &v->screen->serverFormat, &v->cl->format,
                       (char *)(uintptr_t)c->pixels, out, (int)c->width * 4, (int)c->width, (int)c->height);
    for (unsigned y = 0; y < c->height; y++)
        for (unsigned x = 0; x < c->width; x++)
            if (c->pixels[(size_t)y * c->width + x] >> 31)
                out[pixels + (size_t)y * mask_stride + x / 8] |= (char)(0x80 >> x % 8);
    send_pseudo(v, c->hot_x, c->hot_y, c->width, c->height, (int32_t)rfbEncodingRichCursor, out, len);
}

static void tell(VncSession *v)
{
    uint8_t leds = (uint8_t)v->now.leds;

    if (v->cl->sock == RFB_INVALID_SOCKET)
        return;
    if (v->ext_key && !v->ext_key_told) {
        v->ext_key_told = true;
        send_pseudo(v, 0, 0, v->now.width, v->now.height, ENC_EXT_KEY, NULL, 0);
    }
    if (v->pointer_type && (!v->told_absolute || v->told.absolute != v->now.absolute)) {
        v->told_absolute = true;
        v->told.absolute = v->now.absolute;
        send_pseudo(v, v->now.absolute, 0, v->now.width, v->now.height, ENC_POINTER_TYPE, NULL, 0);
    }
    if (v->led_state && (!v->told_leds || v->told.leds != v->now.leds)) {
        v->told_leds = true;
        v->told.leds = v->now.leds;
        send_pseudo(v, 0, 0, 1, 1, ENC_LED_STATE, &leds, 1);
    }
    if (v->now.cursor && v->now.cursor != v->told.cursor && (v->alpha_cursor || v->rich_cursor)) {
        cursor_unref(v->told.cursor);
        v->told.cursor = cursor_ref(v->now.cursor);
        if (v->alpha_cursor)
            send_alpha_cursor(v, v->now.cursor);
        else
            send_rich_cursor(v, v->now.cursor);
    }
}

void vnc_session_state(VncSession *v, const VncState *st)
{
    Cursor *old = v->now.cursor;

    v->now = *st;
    if (v->now.cursor)
        cursor_ref(v->now.cursor);
    cursor_unref(old);
    tell(v);
}

static bool read_all(VncSession *v, void *buf, size_t len)
{
    return rfbReadExact(v->cl, buf, (int)len) > 0;
}

static bool skip(VncSession *v, uint32_t len)
{
    char buf[4096];

    for (uint32_t n; len; len -= n) {
        n = MIN(len, (uint32_t)sizeof(buf));
        if (!read_all(v, buf, n))
            return false;
    }
    return true;
}

/* A key's place: XT scan code, with 80h for the e0-prefixed ones. The symbol counts where the user named a layout. */
static bool ext_key(VncSession *v)
{
    uint8_t m[12];
    uint32_t sym, code;
    KeyCode key;

    if (!read_all(v, m, sizeof(m)))
        return false;
    if (m[1] != MSG_QEMU_KEY)
        return false;
    sym = ldl_be(m + 4);
    code = ldl_be(m + 8);
    key = keymap_given() ? keymap_lookup(sym) : KEY_CODE_UNMAPPED;
    if (key == KEY_CODE_UNMAPPED && code)
        key = code == 0xb7 || code == 0x54 ? KEY_CODE_PRINT
              : code == 0xc6               ? KEY_CODE_PAUSE
              : code < 0x100               ? key_by_number(code)
                                           : key;
    add_input(v, (VncInput){.kind = VNC_KEY, .key = key, .down = lduw_be(m + 2)});
    return true;
}

static bool cut_text(VncSession *v)
{
    uint8_t m[8];
    uint32_t len;

    if (!read_all(v, m, sizeof(m)))
        return false;
    len = ldl_be(m + 4);
    if (len & BIT32(31)) /* an extended clipboard's */
        len = -len;
    return len <= CUT_TEXT_MAX && skip(v, len);
}

static void encodings_changed(VncSession *v)
{
    rfbClientPtr cl = v->cl;

    v->rich_cursor = cl->enableCursorShapeUpdates && cl->useRichCursorEncoding;
    if (!v->lossy) {
        cl->tightQualityLevel = -1;
        cl->turboQualityLevel = -1;
        if (cl->preferredEncoding == rfbEncodingZYWRLE)
            cl->preferredEncoding = rfbEncodingZRLE;
    }
}

bool vnc_session_receive(VncSession *v, GArray *out)
{
    rfbClientPtr cl = v->cl;
    uint8_t type;
    bool ok = true;
    ssize_t n;

    if (cl->sock == RFB_INVALID_SOCKET)
        return false;
    n = recv(cl->sock, &type, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    v->out = out;
    switch (type) {
    case rfbSetEncodings:
        v->ext_key = v->pointer_type = v->led_state = v->alpha_cursor = false;
        rfbProcessClientMessage(cl);
        v->told_leds = v->told_absolute = v->ext_key_told = false;
        cursor_unref(v->told.cursor);
        v->told.cursor = NULL;
        break;
    case rfbSetPixelFormat:
    case rfbFramebufferUpdateRequest:
    case rfbKeyEvent:
    case rfbPointerEvent:
    case rfbSetDesktopSize:
        rfbProcessClientMessage(cl);
        break;
    case rfbXvp:
        ok = v->screen->xvpHook;
        if (ok)
            rfbProcessClientMessage(cl);
        break;
    case rfbClientCutText:
        ok = cut_text(v);
        break;
    case MSG_QEMU:
        ok = ext_key(v);
        break;
    default:
        ok = false;
    }
    v->out = NULL;
    if (!ok || cl->sock == RFB_INVALID_SOCKET)
        return false;
    if (type == rfbSetEncodings) {
        encodings_changed(v);
        tell(v);
    }
    /* The library draws no cursor and tells of none: tell() does. */
    cl->cursorWasChanged = cl->cursorWasMoved = FALSE;
    return cl->sock != RFB_INVALID_SOCKET;
}

bool vnc_session_send(VncSession *v)
{
    if (v->cl->sock != RFB_INVALID_SOCKET && FB_UPDATE_PENDING(v->cl) && !sraRgnEmpty(v->cl->requestedRegion))
        rfbSendFramebufferUpdate(v->cl, v->cl->modifiedRegion);
    return v->cl->sock != RFB_INVALID_SOCKET;
}

bool vnc_session_relative(const VncSession *v)
{
    return v->pointer_type && v->told_absolute && !v->told.absolute;
}
