/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of accelerators, and the choice of one. */
#include "accel/accel.h"
#include "accel/kvm/kvm.h"
#include "accel/qtest/qtest.h"
#include "accel/tcg/tcg.h"

const AccelDesc *accel;
void (*accel_ioapic_eoi)(uint8_t vector);

bool accel_perfmap, accel_jitdump;
const AccelDesc *const accel_table[] = {&accel_kvm, &accel_tcg, &accel_qtest, NULL};

IrqchipMode accel_irqchip_mode(void)
{
    return accel && accel->irqchip_mode ? accel->irqchip_mode() : IRQCHIP_USER;
}

bool accel_has_smm(void)
{
    return accel && accel->has_smm && accel->has_smm();
}

static const AccelDesc *find(const char *name)
{
    for (const AccelDesc *const *a = accel_table; *a; a++) {
        if (!strcmp((*a)->name, name))
            return *a;
    }
    return NULL;
}

static bool set_options(const AccelDesc *a, const Json *opts, Error **errp)
{
    g_autofree char *owner = g_strconcat(a->name, "-accel", NULL);

    if (a->props)
        props_set_defaults(a->props, a->config);
    for (size_t i = 0; i < json_length(opts); i++) {
        const char *key = json_key_at(opts, i), *text = json_get_string(json_val_at(opts, i));
        const Prop *p = a->props ? prop_find(a->props, key) : NULL;

        if (!strcmp(key, "accel"))
            continue;
        if (!p) {
            const char *near = nearest_prop(key, a->props, NULL);

            error_set(errp, "Property '%s.%s' not found", owner, key);
            if (near)
                error_hint(errp, "Did you mean '%s'?", near);
            return false;
        }
        if (!(text ? prop_set_text(owner, p, a->config, text, errp)
                   : prop_set_json(owner, p, a->config, json_val_at(opts, i), errp)))
            return false;
    }
    return true;
}

static bool try(const AccelDesc *a, Error **errp)
{
    accel = a;
    if (!a->init || a->init(errp))
        return true;
    accel = NULL;
    return error_prepend(errp, "failed to initialize %s: ", a->name);
}

bool accel_init(GPtrArray *opts, Error **errp)
{
    Error *last = NULL;

    for (unsigned i = 0; i < opts->len; i++) {
        const char *names = json_get_str(opts->pdata[i], "accel");
        g_auto(GStrv) list = g_strsplit(names ? names : "", ":", -1);

        for (char **n = list; *n; n++) {
            const AccelDesc *a = find(*n);

            /* The one before has failed: that is worth a line, not the end. */
            if (last) {
                error_report_err(g_steal_pointer(&last));
                if (a)
                    error_report("falling back to %s", *n);
            }
            if (!a)
                error_set(&last, "invalid accelerator %s", *n);
            else if (!set_options(a, opts->pdata[i], errp))
                return false; /* what is spelt wrong is no reason to take another */
            else if (try(a, &last))
                return true;
        }
    }
    if (!last)
        error_set(&last, "no accelerator found");
    return error_propagate(errp, last);
}
