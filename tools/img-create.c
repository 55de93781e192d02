/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img: create and resize. */
#include "tools/img.h"

#include "block/create.h"
#include "block/qcow2.h"

#include <stdio.h>
#include <stdlib.h>

int img_create(int argc, char **argv)
{
    static const struct option options[] = {
        {"help", no_argument, 0, 'h'}, {"object", required_argument, 0, IMG_OPT_OBJECT}, {0, 0, 0, 0}};
    const char *fmt = "raw", *base = NULL, *base_fmt = NULL;
    bool quiet = false, unsafe = false, wants_help = false;
    g_autoptr(Json) o = json_object();
    int opt;
    while ((opt = getopt_long(argc, argv, ":F:b:f:ho:qu", options, NULL)) != -1) {
        switch (opt) {
        case 'F':
            base_fmt = optarg;
            break;
        case 'b':
            base = optarg;
            break;
        case 'f':
            fmt = optarg;
            break;
        case 'o':
            wants_help |= img_wants_help(optarg);
            if (!wants_help && !img_options(o, optarg))
                return 1;
            break;
        case 'q':
            quiet = true;
            break;
        case 'u':
            unsafe = true;
            break;
        case IMG_OPT_OBJECT:
            if (!img_object(optarg))
                return 1;
            break;
        default:
            return img_bad_option(opt, argv);
        }
    }
    if (wants_help)
        return img_list_options(fmt);
    if (optind >= argc)
        return img_usage("Expecting image file name");
    const char *path = argv[optind++];
    if (optind < argc) {
        uint64_t size;
        if (!img_size(argv[optind++], &size))
            return 1;
        json_set(o, "size", json_printf("%" PRIu64, size));
    }
    if (optind != argc)
        return img_usage("Unexpected argument: %s", argv[optind]);
    if (!block_create_options(fmt)) {
        if (block_driver_find(fmt) || block_format_known(fmt))
            return img_error("%s: Format driver '%s' does not support image creation", path, fmt);
        return img_error("%s: Unknown file format '%s'", path, fmt);
    }
    Error *err = NULL;
    if (!block_create_known(fmt, o, &err))
        return img_error_of(path, err);
    if (base)
        json_set_str(o, "backing_file", base);
    if (base_fmt)
        json_set_str(o, "backing_fmt", base_fmt);
    base = json_get_str(o, "backing_file");
    base_fmt = json_get_str(o, "backing_fmt");
    if (base && !strcmp(fmt, "raw"))
        return img_error("%s: Backing file not supported for file format '%s'", path, fmt);
    if (base_fmt && !strcmp(fmt, "raw"))
        return img_error("%s: Backing file format not supported for file format '%s'", path, fmt);
    if (base && !strcmp(base, path))
        return img_error("%s: Error: Trying to create an image with the same filename as the backing file", path);
    if (base && !base_fmt)
        return img_error("%s: Backing file specified without backing format", path);
    if (base && !block_driver_find(base_fmt))
        return img_error("%s: Unknown backing file format '%s'", path, base_fmt);
    if (base && !(unsafe && json_get(o, "size"))) {
        g_autofree char *folder = g_path_get_dirname(path);
        size_t colon = strcspn(base, ":/");
        g_autofree char *full = *base == '/' || base[colon] == ':' || !strcmp(folder, ".")
                                    ? g_strdup(base)
                                    : g_build_filename(folder, base, NULL);
        ImgOpen how = {.format = base_fmt, .force_share = true}; /* a guest may be writing to it */
        BlockEdge *e = img_open(full, &how);
        if (!e)
            return img_error("%s: Could not open backing image.", path);
        if (!json_get(o, "size"))
            json_set(o, "size", json_printf("%" PRIu64, node_length(e->node)));
        img_close(e);
    }
    if (!json_get(o, "size"))
        return img_error("%s: Image creation needs a size parameter", path);
    if (!quiet)
        img_announce(path, fmt, o);
    if (base_fmt && !base)
        return img_error("%s: Backing format cannot be used without backing file", path);
    return block_create(path, fmt, o, &err) ? 0 : img_error_of(path, err);
}

int img_resize(int argc, char **argv)
{
    static const struct option options[] = {{"help", no_argument, 0, 'h'},
                                            {"object", required_argument, 0, IMG_OPT_OBJECT},
                                            {"image-opts", no_argument, 0, IMG_OPT_IMAGE_OPTS},
                                            {"preallocation", required_argument, 0, IMG_OPT_PREALLOCATION},
                                            {"shrink", no_argument, 0, IMG_OPT_SHRINK},
                                            {0, 0, 0, 0}};
    static const char *const modes[] = {"off", "metadata", "falloc", "full"};
    ImgOpen how = {.write = true};
    bool quiet = false, shrink = false;
    int mode = 0, opt;
    if (argc < 3)
        return img_usage("Not enough arguments");
    /* The size is last, and may look like an option. */
    const char *text = argv[--argc];
    while ((opt = getopt_long(argc, argv, ":f:hq", options, NULL)) != -1) {
        switch (opt) {
        case 'f':
            how.format = optarg;
            break;
        case 'q':
            quiet = true;
            break;
        case IMG_OPT_IMAGE_OPTS:
            how.image_opts = true;
            break;
        case IMG_OPT_SHRINK:
            shrink = true;
            break;
        case IMG_OPT_PREALLOCATION:
            for (mode = 0; mode < 4 && strcmp(modes[mode], optarg); mode++)
                ;
            if (mode == 4)
                return img_error("Invalid preallocation mode '%s'", optarg);
            break;
        case IMG_OPT_OBJECT:
            if (!img_object(optarg))
                return 1;
            break;
        default:
            return img_bad_option(opt, argv);
        }
    }
    if (optind != argc - 1)
        return img_usage("Expecting image file name and size");
    int sign = *text == '+' ? 1 : *text == '-' ? -1 : 0;
    uint64_t n;
    if (!img_size(text + !!sign, &n))
        return 1;
    BlockEdge *e = img_open(argv[optind], &how);
    if (!e)
        return 1;
    uint64_t old = node_length(e->node), size = sign > 0 ? old + n : sign < 0 ? old - MIN(n, old) : n;
    Error *err = NULL;
    int ret = 1;
    if (!size || size > INT64_MAX) {
        img_error("New image size must be positive");
    } else if (size < old && !shrink) {
        img_error("Use the --shrink option to perform a shrink operation.");
        fprintf(stderr,
                "qemu-img: warning: Shrinking an image will delete all data beyond the shrunken image's end. Before "
                "performing such an operation, make sure there is no important data there.\n");
    } else if (size <= old && mode) {
        img_error("Preallocation can only be used for growing images");
    } else if (!node_truncate(e->node, size, &err)) {
        img_error_of(NULL, err);
    } else if (mode && e->node->drv == &block_qcow2 &&
               !qcow2_preallocate(e->node, old, size, (Qcow2Prealloc)mode, &err)) {
        img_error_of(NULL, err);
    } else if (mode > PREALLOC_METADATA && e->node->drv != &block_qcow2 &&
               node_write_zeroes(e->node, old, size - old, 0)) {
        img_error("Could not preallocate");
    } else {
        if (node_length(e->node) != size && !quiet)
            img_error("warning: Image should have been resized to %" PRIu64 " bytes, but was resized to %" PRIu64
                      " bytes",
                      size, node_length(e->node));
        if (!quiet)
            printf("Image resized.\n");
        ret = 0;
    }
    return img_close(e) ? ret : 1;
}
