/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * EDID 1.4 (VESA E-EDID A.2), CTA-861 extension, and a DisplayID 1.3 extension for a preferred mode that a detailed
 * timing cannot describe: over 4095 pixels or 655.35 MHz. The same bytes as QEMU's for the same properties, so that a
 * guest keeps its settings.
 */
#include "hw/display/edid.h"

/* Modes that are listed where they fit xmax and ymax. */
static const struct {
    uint16_t width, height;
    uint8_t byte, bit; /* 35 to 37: established timings; 6 to 11: in the established timings III descriptor */
    uint16_t standard; /* two bytes of a standard timing, 0: has none */
} modes[] = {
    {640, 480, 35, 5, 0},        {800, 600, 35, 0, 0},        {1024, 768, 36, 3, 0},       {2048, 1152, 0, 0, 0xe1c0},
    {1920, 1080, 0, 0, 0xd1c0},  {1920, 1200, 10, 0, 0xd100}, {1600, 1200, 9, 2, 0xa940},  {1680, 1050, 9, 5, 0xb300},
    {1440, 900, 8, 5, 0x9500},   {1280, 1024, 7, 1, 0x8180},  {1280, 960, 7, 3, 0x8140},   {1280, 768, 7, 6, 0},
    {1920, 1440, 11, 5, 0xd140}, {1856, 1392, 10, 3, 0xc940}, {1792, 1344, 10, 5, 0xc140}, {1400, 1050, 8, 1, 0},
    {1360, 768, 8, 7, 0},
};

static const struct {
    uint16_t width, height;
    uint8_t vic;
} cta_modes[] = {
    {5120, 2160, 125}, {4096, 2160, 101}, {3840, 2160, 96}, {2560, 1080, 89}, {1920, 1080, 31}, {3840, 2160, 97},
};

typedef struct Timing {
    uint32_t clock; /* 10 kHz */
    uint32_t hblank, hfront, hsync, vblank, vfront, vsync;
} Timing;

static void make_timing(Timing *t, const EdidInfo *i)
{
    /* 35 % and 3.5 % blanking, sync in its middle: no standard's numbers, but sound ones. */
    t->hfront = (uint64_t)i->xres * 25 / 100;
    t->hsync = (uint64_t)i->xres * 3 / 100;
    t->hblank = (uint64_t)i->xres * 35 / 100;
    t->vfront = (uint64_t)i->yres * 5 / 1000;
    t->vsync = (uint64_t)i->yres * 5 / 1000;
    t->vblank = (uint64_t)i->yres * 35 / 1000;
    t->clock = MIN((unsigned __int128)i->refresh_rate * ((uint64_t)i->xres + t->hblank) *
                       ((uint64_t)i->yres + t->vblank) / 10000000,
                   UINT32_MAX);
}

static void checksum(uint8_t *block, unsigned len)
{
    uint8_t sum = 0;

    for (unsigned i = 0; i < len; i++)
        sum += block[i];
    block[len] = -sum;
}

static void detailed_timing(uint8_t *d, const EdidInfo *i, const Timing *t)
{
    unsigned width_mm = (uint64_t)i->xres * 254 / 1000, height_mm = (uint64_t)i->yres * 254 / 1000;

    stw_le(d, t->clock);
    d[2] = i->xres;
    d[3] = t->hblank;
    d[4] = (i->xres >> 8 & 15) << 4 | (t->hblank >> 8 & 15);
    d[5] = i->yres;
    d[6] = t->vblank;
    d[7] = (i->yres >> 8 & 15) << 4 | (t->vblank >> 8 & 15);
    d[8] = t->hfront;
    d[9] = t->hsync;
    d[10] = (t->vfront & 15) << 4 | (t->vsync & 15);
    d[11] = (t->hfront >> 8 & 3) << 6 | (t->hsync >> 8 & 3) << 4 | (t->vfront >> 4 & 3) << 2 | (t->vsync >> 4 & 3);
    d[12] = width_mm;
    d[13] = height_mm;
    d[14] = (width_mm >> 8 & 15) << 4 | (height_mm >> 8 & 15);
    d[17] = 0x18; /* digital separate sync */
}

static void list_modes(uint8_t *blob, uint8_t *established3, const EdidInfo *i)
{
    unsigned slot = 38;

    for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
        if (modes[m].width > i->xmax || modes[m].height > i->ymax)
            continue;
        if (modes[m].byte >= 35) {
            blob[modes[m].byte] |= 1 << modes[m].bit;
        } else if (slot < 54) {
            if (!modes[m].standard)
                continue;
            blob[slot++] = modes[m].standard >> 8;
            blob[slot++] = modes[m].standard;
        } else if (modes[m].byte) {
            established3[modes[m].byte] |= 1 << modes[m].bit;
        }
    }
    while (slot < 54)
        blob[slot++] = 0x01;
}

static void cta_block(uint8_t *b, const EdidInfo *i)
{
    unsigned len = 0;

    b[0] = 0x02;
    b[1] = 3;
    for (size_t m = 0; m < ARRAY_SIZE(cta_modes); m++)
        if (cta_modes[m].width <= i->xmax && cta_modes[m].height <= i->ymax)
            b[5 + len++] = cta_modes[m].vic;
    b[4] = 2 << 5 | len; /* video data block */
    b[2] = 5 + len;
    for (unsigned off = 5 + len; off + 18 <= 127; off += 18)
        b[off + 3] = 0x10; /* dummy descriptors */
    checksum(b, 127);
}

static void displayid_block(uint8_t *b, const EdidInfo *i, const Timing *t)
{
    uint8_t *d = b + 8;

    b[0] = 0x70;
    b[1] = 0x13; /* version 1.3 */
    b[2] = 23;
    b[3] = 3; /* a desktop display */
    b[5] = 3; /* type I detailed timing */
    b[7] = 20;
    d[0] = t->clock;
    d[1] = t->clock >> 8;
    d[2] = t->clock >> 16;
    d[3] = 0x88; /* preferred, aspect ratio undefined */
    stw_le(d + 4, i->xres - 1);
    stw_le(d + 6, t->hblank - 1);
    stw_le(d + 8, t->hfront - 1);
    stw_le(d + 10, t->hsync - 1);
    stw_le(d + 12, i->yres - 1);
    stw_le(d + 14, t->vblank - 1);
    stw_le(d + 16, t->vfront - 1);
    stw_le(d + 18, t->vsync - 1);
    checksum(b + 1, 27);
    checksum(b, 127);
}

void edid_make(uint8_t *blob, size_t len, const EdidInfo *given)
{
    static const uint8_t head[] = {0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x49, 0x14, 0x34,
                                   0x12, 0x00, 0x00, 0x00, 0x00, 42,   24,   1,    4,    0xa5};
    static const uint8_t chromaticity[] = {0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54};
    static const uint8_t range[] = {0x00, 50, 125, 30, 160, 255, 0x01, '\n', ' ', ' ', ' ', ' ', ' ', ' '};
    static const char name[] = "QEMU Monitor\n";
    EdidInfo i = *given;
    Timing t;
    uint8_t *d = blob + 54;
    bool fits;

    memset(blob, 0, len);
    i.xres = i.xres ? i.xres : 1280;
    i.yres = i.yres ? i.yres : 800;
    i.xmax = i.xmax ? i.xmax : UINT32_MAX;
    i.ymax = i.ymax ? i.ymax : UINT32_MAX;
    i.refresh_rate = i.refresh_rate ? i.refresh_rate : 75000;
    make_timing(&t, &i);
    fits = i.xres <= 4095 && i.yres <= 4095 && t.clock <= 65535;

    memcpy(blob, head, sizeof(head));
    blob[21] = (uint64_t)i.xres * 254 / 10000; /* cm, at 100 dots an inch */
    blob[22] = (uint64_t)i.yres * 254 / 10000;
    blob[23] = 220 - 100; /* gamma 2.2 */
    blob[24] = 0x06;      /* sRGB, the first timing is the preferred one */
    memcpy(blob + 25, chromaticity, sizeof(chromaticity));
    if (fits) {
        detailed_timing(d, &i, &t);
        d += 18;
    }
    d[3] = 0xf7;
    d[5] = 10;
    list_modes(blob, d, &i);
    d += 18;
    d[3] = 0xfd;
    memcpy(d + 4, range, sizeof(range));
    d += 18;
    d[3] = 0xfc;
    memcpy(d + 5, name, sizeof(name) - 1);
    d += 18;
    if (!fits)
        d[3] = 0x10;
    if (len >= 256) {
        cta_block(blob + 128, &i);
        blob[126] = 1;
        if (!fits && len >= 384) {
            displayid_block(blob + 256, &i, &t);
            blob[126] = 2;
        }
    }
    checksum(blob, 127);
}
