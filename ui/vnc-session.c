/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One viewer: RFB 3.8 (RFC 6143) past its handshake, which vnc-client.c does. The viewer's messages are read here and
 * checked; libvncserver gets what they mean, keeps the regions and encodes the rectangles. File transfer, scaling and
 * chat are refused, clipboards are skipped. What QEMU has beside RFC 6143 is here too: the extended key event, pointer
 * type, LED state and alpha cursor pseudo-encodings. One thread.
 */
#include "ui/keymap.h"
#include "ui/vnc-internal.h"
#include "ui/vnc-rects.h"

#include <fcntl.h>
#include <rfb/rfb.h>
#include <rfb/rfbregion.h> /* rfb.h has macros that need it */
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

/* Longest wait for a peer in the middle of a message, either way. */
#define STALL_MS 180000
/* From this wait on a connection that ends then has stalled. */
#define STALL_SAID_S 30
/* Longest clipboard text that is skipped. */
#define CUT_TEXT_MAX (1024 * 1024)

enum { MSG_QEMU = 255, MSG_QEMU_KEY = 0 };
/* Pseudo-encodings. */
enum { ENC_POINTER_TYPE = -257, ENC_EXT_KEY = -258, ENC_LED_STATE = -261, ENC_ALPHA_CURSOR = -314 };

struct VncSession {
    rfbScreenInfoPtr screen;
    rfbClientPtr cl;
    uint32_t *pixels;
    bool lossy, power_control, ext_key, pointer_type, led_state, alpha_cursor;
    bool ext_key_told, rich_cursor, xvp, xvp_told, last_rect;
    bool rows;     /* as vnc_rects() has it, of what was damaged last */
    VncState told; /* what the viewer knows; leds and absolute: ~0 not told yet */
    bool told_leds, told_absolute, told_cursor;
    VncState now;
    GArray *out; /* while a message is handled */
    char *error; /* of the connection, where it was not the viewer that ended it */
};

/* What ended the connection whose call into the library is under way: errno, when it first complains. */
static __thread int complaint;

static void complained(const char *format, ...)
{
    if (!complaint)
        complaint = errno;
}

static void add_input(VncSession *v, VncInput in)
{
    if (v->out)
        g_array_append_val(v->out, in);
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
        rfbLog = rfbErr = complained;
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
    v->power_control = cfg->power_control;
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
    g_free(v->error);
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

void vnc_session_damage(VncSession *v, const pixman_region32_t *changed)
{
    VncRectsFor how = v->cl->preferredEncoding == rfbEncodingTight  ? VNC_RECTS_ROWS
                      : v->cl->preferredEncoding == rfbEncodingZRLE ? VNC_RECTS_TILES
                                                                    : VNC_RECTS_EXACT;
    g_autoptr(GArray) boxes = vnc_rects(changed, v->pixels, (unsigned)v->screen->width, how, &v->rows);

    for (guint i = 0; i < boxes->len; i++) {
        const pixman_box32_t *b = &g_array_index(boxes, pixman_box32_t, i);

        rfbMarkRectAsModified(v->screen, b->x1, b->y1, b->x2, b->y2);
    }
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
    if (v->xvp && !v->xvp_told) {
        static const char init[4] = {(char)rfbXvp, 0, 1, rfbXvp_Init};

        v->xvp_told = true;
        if (rfbWriteExact(v->cl, init, sizeof(init)) <= 0)
            rfbCloseClient(v->cl);
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
    add_input(v, (VncInput){.kind = VNC_KEY, .key = key, .sym = sym, .down = lduw_be(m + 2)});
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

/* The library compresses Tight's rectangles at zlib's level 1, which hardly finds again what was sent before. Its
 * streams for two colours and for palettes are opened here, before it does. */
static void open_streams(rfbClientPtr cl)
{
    enum { TWO_COLOURS = 1, PALETTE, LIBRARYS_LEVEL = 1, LEVEL = 6 };

    for (int i = TWO_COLOURS; i <= PALETTE; i++) {
        if (cl->zsActive[i] ||
            deflateInit2(&cl->zsStruct[i], LEVEL, Z_DEFLATED, MAX_WBITS, MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
            continue;
        cl->zsActive[i] = TRUE;
        cl->zsLevel[i] = LIBRARYS_LEVEL; /* what it asks for: it does not set another one */
    }
}

/* In the order of the viewer's liking: the first of those that we have counts. */
static void take_encoding(VncSession *v, int32_t e)
{
    static const int32_t have[] = {rfbEncodingRaw,  rfbEncodingRRE,   rfbEncodingCoRRE, rfbEncodingHextile,
                                   rfbEncodingZlib, rfbEncodingTight, rfbEncodingZRLE};
    rfbClientPtr cl = v->cl;

    for (size_t i = 0; i < ARRAY_SIZE(have); i++)
        if (e == have[i] && cl->preferredEncoding == -1)
            cl->preferredEncoding = e;
    switch (e) {
    case (int32_t)rfbEncodingCopyRect:
        cl->useCopyRect = TRUE;
        break;
    case (int32_t)rfbEncodingRichCursor:
        v->rich_cursor = true;
        break;
    case (int32_t)rfbEncodingNewFBSize:
        cl->useNewFBSize = TRUE;
        break;
    case (int32_t)rfbEncodingExtDesktopSize:
        /* the first thing that the viewer hears of it is the size as it is */
        cl->useNewFBSize = cl->useExtDesktopSize = cl->newFBSizePending = TRUE;
        break;
    case (int32_t)rfbEncodingLastRect:
        v->last_rect = true;
        break;
    case (int32_t)rfbEncodingXvp:
        v->xvp = v->power_control;
        break;
    case ENC_POINTER_TYPE:
        v->pointer_type = true;
        break;
    case ENC_EXT_KEY:
        v->ext_key = true;
        break;
    case ENC_LED_STATE:
        v->led_state = true;
        break;
    case ENC_ALPHA_CURSOR:
        v->alpha_cursor = true;
        break;
    default:
        if (e >= (int32_t)rfbEncodingCompressLevel0 && e <= (int32_t)rfbEncodingCompressLevel9) {
            cl->zlibCompressLevel = (uint32_t)(e & 15);
            /* 0 would be an extension that not every viewer knows: no zlib at all */
            cl->tightCompressLevel = MAX(e & 15, 1);
        }
        if (v->lossy && e >= (int32_t)rfbEncodingQualityLevel0 && e <= (int32_t)rfbEncodingQualityLevel9) {
            cl->tightQualityLevel = e & 15;
            cl->turboQualityLevel = 10 + (e & 15) * 10; /* of 100 */
            cl->turboSubsampLevel = (e & 15) < 5 ? 1 : TURBO_DEFAULT_SUBSAMP;
        }
    }
}

static bool set_encodings(VncSession *v)
{
    rfbClientPtr cl = v->cl;
    uint8_t m[4], e[4];

    if (!read_all(v, m, sizeof(m)))
        return false;
    v->ext_key = v->pointer_type = v->led_state = v->alpha_cursor = v->rich_cursor = v->xvp = false;
    v->told_leds = v->told_absolute = v->ext_key_told = v->xvp_told = false;
    cursor_unref(v->told.cursor);
    v->told.cursor = NULL;
    cl->preferredEncoding = -1;
    cl->useCopyRect = cl->useNewFBSize = cl->useExtDesktopSize = v->last_rect = FALSE;
    cl->tightQualityLevel = cl->turboQualityLevel = -1;
    cl->tightEncoding = rfbEncodingTight;
    for (unsigned n = lduw_be(m + 2); n--;) {
        if (!read_all(v, e, sizeof(e)))
            return false;
        take_encoding(v, (int32_t)ldl_be(e));
    }
    if (cl->preferredEncoding == -1)
        cl->preferredEncoding = rfbEncodingRaw;
    if (cl->preferredEncoding == rfbEncodingTight)
        open_streams(cl);
    tell(v);
    return true;
}

static bool good_colour(unsigned max, unsigned shift, unsigned bits)
{
    return max && !(max & (max + 1)) && shift < bits && (uint64_t)max << shift < BIT64(bits);
}

static bool set_pixel_format(VncSession *v)
{
    rfbPixelFormat *f = &v->cl->format;
    uint8_t m[20];

    if (!read_all(v, m, sizeof(m)))
        return false;
    f->bitsPerPixel = m[4];
    f->depth = m[5];
    f->bigEndian = m[6] != 0;
    f->trueColour = m[7] != 0;
    f->redMax = lduw_be(m + 8);
    f->greenMax = lduw_be(m + 10);
    f->blueMax = lduw_be(m + 12);
    f->redShift = m[14];
    f->greenShift = m[15];
    f->blueShift = m[16];
    if (f->bitsPerPixel != 8 && f->bitsPerPixel != 16 && f->bitsPerPixel != 32)
        return false;
    if (f->trueColour ? !good_colour(f->redMax, f->redShift, f->bitsPerPixel) ||
                            !good_colour(f->greenMax, f->greenShift, f->bitsPerPixel) ||
                            !good_colour(f->blueMax, f->blueShift, f->bitsPerPixel)
                      : f->bitsPerPixel != 8)
        return false;
    v->cl->readyForSetColourMapEntries = TRUE;
    return rfbSetTranslateFunction(v->cl);
}

/* A part outside of the picture is left out. */
static bool update_request(VncSession *v)
{
    rfbClientPtr cl = v->cl;
    unsigned x, y, w, h, width = (unsigned)v->screen->width, height = (unsigned)v->screen->height;
    sraRegionPtr part;
    uint8_t m[10];

    if (!read_all(v, m, sizeof(m)))
        return false;
    x = lduw_be(m + 2);
    y = lduw_be(m + 4);
    if (x >= width || y >= height)
        return true;
    w = MIN(lduw_be(m + 6), width - x);
    h = MIN(lduw_be(m + 8), height - y);
    if (!w || !h)
        return true;
    cl->readyForSetColourMapEntries = TRUE;
    part = sraRgnCreateRect((int)x, (int)y, (int)(x + w), (int)(y + h));
    sraRgnOr(cl->requestedRegion, part);
    if (!m[1]) {
        sraRgnOr(cl->modifiedRegion, part);
        sraRgnSubtract(cl->copyRegion, part);
        if (cl->useExtDesktopSize)
            cl->newFBSizePending = TRUE;
    }
    sraRgnDestroy(part);
    return true;
}

static bool key_symbol(VncSession *v)
{
    uint8_t m[8];

    if (!read_all(v, m, sizeof(m)))
        return false;
    add_input(v, (VncInput){.kind = VNC_KEY, .key = keymap_lookup(ldl_be(m + 4)), .sym = ldl_be(m + 4), .down = m[1]});
    return true;
}

static bool pointer(VncSession *v)
{
    uint8_t m[6];

    if (!read_all(v, m, sizeof(m)))
        return false;
    add_input(v, (VncInput){.kind = VNC_POINTER, .buttons = m[1], .x = lduw_be(m + 2), .y = lduw_be(m + 4)});
    return true;
}

/* A size that the guest takes up comes as a change of its own; the answer to the viewer is that it may not choose. */
static bool set_desktop_size(VncSession *v)
{
    uint8_t m[8];

    if (!read_all(v, m, sizeof(m)) || !skip(v, m[6] * 16u))
        return false;
    add_input(v, (VncInput){.kind = VNC_RESIZE, .x = lduw_be(m + 2), .y = lduw_be(m + 4)});
    if (v->cl->useExtDesktopSize) {
        v->cl->requestedDesktopSizeChange = rfbExtDesktopSize_ClientRequestedChange;
        v->cl->lastDesktopSizeChangeError = rfbExtDesktopSize_ResizeProhibited;
        v->cl->newFBSizePending = TRUE;
    }
    return true;
}

/* xvp, version 1: 2 shutdown, 3 reboot, 4 reset */
static bool power(VncSession *v)
{
    uint8_t m[4];

    if (!v->power_control || !read_all(v, m, sizeof(m)))
        return false;
    if (m[2] == 1 && m[3] >= rfbXvp_Shutdown && m[3] <= rfbXvp_Reset)
        add_input(v, (VncInput){.kind = VNC_POWER, .x = m[3]});
    return true;
}

/* The connection is over; start: of the call that found out. A peer that is there but neither takes nor gives is given
 * up by the kernel (ETIMEDOUT) or by the library. */
static void note_end(VncSession *v, int64_t start, const char *what)
{
    int seconds = (int)((g_get_monotonic_time() - start) / G_TIME_SPAN_SECOND);

    if (seconds >= STALL_SAID_S)
        v->error = g_strdup_printf("it has not %s within %d s", what, seconds);
    else if (complaint == ETIMEDOUT || complaint == EHOSTUNREACH || complaint == ENETUNREACH)
        v->error = g_strdup(g_strerror(complaint));
}

bool vnc_session_receive(VncSession *v, GArray *out)
{
    rfbClientPtr cl = v->cl;
    uint8_t type;
    bool ok;
    ssize_t n;
    int64_t start;

    if (cl->sock == RFB_INVALID_SOCKET)
        return false;
    n = recv(cl->sock, &type, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0) {
        if (errno == EAGAIN || errno == EINTR)
            return true;
        v->error = g_strdup(socket_end_reason(errno)); /* no answer to keepalives, for one */
        return false;
    }
    if (n == 0)
        return false;
    v->out = out;
    complaint = 0;
    errno = 0;
    start = g_get_monotonic_time();
    switch (type) {
    case rfbSetEncodings:
        ok = set_encodings(v);
        break;
    case rfbSetPixelFormat:
        ok = set_pixel_format(v);
        break;
    case rfbFramebufferUpdateRequest:
        ok = update_request(v);
        break;
    case rfbKeyEvent:
        ok = key_symbol(v);
        break;
    case rfbPointerEvent:
        ok = pointer(v);
        break;
    case rfbSetDesktopSize:
        ok = set_desktop_size(v);
        break;
    case rfbXvp:
        ok = power(v);
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
    /* The library draws no cursor and tells of none: tell() does. */
    cl->cursorWasChanged = cl->cursorWasMoved = FALSE;
    if (!ok)
        note_end(v, start, "sent the rest of a message");
    return ok && cl->sock != RFB_INVALID_SOCKET;
}

bool vnc_session_ready(const VncSession *v)
{
    return !sraRgnEmpty(v->cl->requestedRegion);
}

bool vnc_session_copies(const VncSession *v)
{
    return v->cl->useCopyRect;
}

bool vnc_session_can_copy(const VncSession *v)
{
    return v->cl->useCopyRect && sraRgnEmpty(v->cl->modifiedRegion) && sraRgnEmpty(v->cl->copyRegion);
}

void vnc_session_copy(VncSession *v, int y1, int y2, int d)
{
    sraRegionPtr part = sraRgnCreateRect(0, y1, v->screen->width, y2);

    sraRgnOr(v->cl->copyRegion, part);
    v->cl->copyDX = 0;
    v->cl->copyDY = -d;
    sraRgnDestroy(part);
}

bool vnc_session_send(VncSession *v)
{
    int64_t start;

    if (v->cl->sock == RFB_INVALID_SOCKET)
        return false;
    if (!FB_UPDATE_PENDING(v->cl) || sraRgnEmpty(v->cl->requestedRegion))
        return true;
    /* The library cuts one-coloured parts out where the viewer knows this; rows would not be as long as before then. */
    v->cl->enableLastRectEncoding = v->last_rect && !v->rows;
    start = g_get_monotonic_time();
    complaint = 0;
    errno = 0;
    rfbSendFramebufferUpdate(v->cl, v->cl->modifiedRegion);
    if (v->cl->sock != RFB_INVALID_SOCKET)
        return true;
    note_end(v, start, "taken a picture");
    return false;
}

const char *vnc_session_error(const VncSession *v)
{
    return v->error;
}

bool vnc_session_relative(const VncSession *v)
{
    return v->pointer_type && v->told_absolute && !v->told.absolute;
}
