/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PROP_CHARDEV: a device's property that names a back end. Setting it claims the back end; realize installs the
 * handlers. */
#include "chardev/chardev.h"
#include "hw/core/prop.h"

static CharFrontend *frontend(const void *obj, const Prop *p)
{
    return (CharFrontend *)((char *)obj + p->offset);
}

static bool set(void *obj, const Prop *p, const Json *val, bool from_text, Error **errp)
{
    CharFrontend *fe = frontend(obj, p);
    const char *id = json_get_string(val);
    if (!id)
        return error_set(errp, "the id of a chardev is expected");
    Chardev *c = NULL;
    if (*id && !(c = chardev_find(id)))
        return error_set(errp, "there is no chardev of this id");
    char_detach(fe);
    return char_attach(fe, c, NULL, NULL, errp);
}

static Json *get(const void *obj, const Prop *p)
{
    const CharFrontend *fe = frontend(obj, p);
    return json_string(fe->chr ? chardev_id(fe->chr) : "");
}

static void let_go(void *obj, const Prop *p)
{
    char_detach(frontend(obj, p));
}

const PropType prop_chardev = {.name = "str", .set = set, .get = get, .let_go = let_go, .is_string = true};
