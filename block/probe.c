/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an image is by its first bytes, and what a file name is by its prefix. */
#include "block/node.h"

#include <sys/stat.h>

/* Magics as the formats' documents give them, at offset 0 but for vhd's footer copy, which is there too. */
static const struct {
    const char *format;
    uint8_t offset, len;
    const char *magic;
} magics[] = {
    {"qcow2", 0, 8, "QFI\xfb\0\0\0\2"},
    {"qcow2", 0, 8, "QFI\xfb\0\0\0\3"},
    {"qcow", 0, 8, "QFI\xfb\0\0\0\1"},
    {"qed", 0, 4, "QED\0"},
    {"vmdk", 0, 4, "KDMV"},
    {"vmdk", 0, 4, "COWD"},
    {"vmdk", 0, 21, "# Disk DescriptorFile"},
    {"vhdx", 0, 8, "vhdxfile"},
    {"vpc", 0, 8, "conectix"},
    {"vdi", 64, 4, "\x7f\x10\xda\xbe"},
    {"parallels", 0, 16, "WithoutFreeSpace"},
    {"parallels", 0, 16, "WithouFreSpacExt"},
    {"bochs", 0, 22, "Bochs Virtual HD Image"},
    {"luks", 0, 6, "LUKS\xba\xbe"},
    {"cloop", 0, 36, "#!/bin/sh\n#V2.0 Format\nmodprobe cloop"},
};

const char *block_probe_format(const uint8_t *buf, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(magics); i++)
        if (len >= (size_t)magics[i].offset + magics[i].len &&
            !memcmp(buf + magics[i].offset, magics[i].magic, magics[i].len))
            return magics[i].format;
    return NULL;
}

bool block_format_known(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(magics); i++)
        if (!strcmp(magics[i].format, name))
            return true;
    return false;
}

const char *block_protocol(const char *filename, const char **path, Error **errp)
{
    size_t n = strcspn(filename, ":/");
    *path = filename;
    if (filename[n] == ':') {
        g_autofree char *proto = g_strndup(filename, n);
        if (!strcmp(proto, "file") || !strcmp(proto, "host_device")) {
            *path = filename + n + 1;
            if (*proto == 'h')
                return "host_device";
        } else if (!strcmp(proto, "null-co") || !strcmp(proto, "null-aio")) {
            if (strcmp(filename + n, "://")) {
                error_set(errp, "The only allowed filename for this driver is '%s://'", proto);
                return NULL;
            }
            *path = NULL;
            return *(proto + 5) == 'c' ? "null-co" : "null-aio";
        } else {
            error_set(errp, "Unknown protocol '%s'", proto);
            return NULL;
        }
    }
    struct stat st;
    return stat(*path, &st) == 0 && S_ISBLK(st.st_mode) ? "host_device" : "file";
}
