/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/module.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

const char module_stamp[] = MODULE_STAMP;

/* The path of a module's file; NULL: nowhere. The caller frees it. */
static char *find(const char *module)
{
    g_autofree char *exe = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *folder = exe ? g_path_get_dirname(exe) : NULL;
    g_autofree char *beside = folder ? g_build_filename(folder, "modules", NULL) : NULL;
    const char *dirs[] = {getenv("QEMU_MODULE_DIR"), beside, MODULE_DIR};
    g_autofree char *file = g_strconcat(module, ".so", NULL);
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
        char *path = dirs[i] ? g_build_filename(dirs[i], file, NULL) : NULL;
        if (path && !access(path, R_OK))
            return path;
        g_free(path);
    }
    return NULL;
}

bool module_exists(const char *module)
{
    g_autofree char *path = find(module);
    return path;
}

void *module_symbol(const char *module, const char *symbol, Error **errp)
{
    g_autofree char *path = find(module);
    if (!path) {
        error_set(errp, "module '%s' is not installed", module);
        error_hint(errp, "It is a file %s.so in %s, built where its library is found; QEMU_MODULE_DIR names another folder.", module,
                   MODULE_DIR);
        return NULL;
    }
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!lib) {
        error_set(errp, "module '%s' cannot be opened: %s", module, dlerror());
        return NULL;
    }
    const char *stamp = dlsym(lib, "module_built_for");
    if (!stamp || strcmp(stamp, module_stamp)) {
        error_set(errp, "module '%s' (%s) is of another build: it is for '%s', this program is '%s'", module, path,
                  stamp ? stamp : "nothing known", module_stamp);
        dlclose(lib);
        return NULL;
    }
    void *sym = dlsym(lib, symbol);
    if (!sym)
        error_set(errp, "module '%s' (%s) has no '%s'", module, path, symbol);
    return sym;
}
