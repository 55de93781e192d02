/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arguments of the human monitor's commands: words, expressions, formats. See hmp.h for the notation. */
#include "monitor/hmp.h"

#include "hw/core/prop.h"
#include "softmmu/vcpus.h"

enum { MAX_NESTING = 64 };

static const char *skip_blanks(const char *p)
{
    while (g_ascii_isspace(*p))
        p++;
    return p;
}

/* --- Expressions --- */

typedef struct Expr {
    Hmp *h;
    const char *p;
    unsigned nesting;
    Error **errp;
} Expr;

static bool sum(Expr *e, uint64_t *out);

static const struct {
    const char *name;
    int gpr;
    unsigned size;
} gprs[] = {
    {"rax", R_RAX, 8}, {"rbx", R_RBX, 8}, {"rcx", R_RCX, 8}, {"rdx", R_RDX, 8}, {"rsi", R_RSI, 8}, {"rdi", R_RDI, 8},
    {"rbp", R_RBP, 8}, {"rsp", R_RSP, 8}, {"sp", R_RSP, 8},  {"fp", R_RBP, 8},  {"r8", R_R8, 8},   {"r9", R_R9, 8},
    {"r10", R_R10, 8}, {"r11", R_R11, 8}, {"r12", R_R12, 8}, {"r13", R_R13, 8}, {"r14", R_R14, 8}, {"r15", R_R15, 8},
    {"eax", R_RAX, 4}, {"ebx", R_RBX, 4}, {"ecx", R_RCX, 4}, {"edx", R_RDX, 4}, {"esi", R_RSI, 4}, {"edi", R_RDI, 4},
    {"ebp", R_RBP, 4}, {"esp", R_RSP, 4},
};
static const struct {
    const char *name;
    int seg;
} segs[] = {{"es", SEG_ES}, {"cs", SEG_CS}, {"ss", SEG_SS}, {"ds", SEG_DS}, {"fs", SEG_FS}, {"gs", SEG_GS}};

typedef struct RegisterWork {
    const char *name;
    uint64_t val;
    bool ok;
} RegisterWork;

static void read_register(X86CPU *c, void *arg)
{
    RegisterWork *w = arg;
    cpu_sync_get(c);
    for (size_t i = 0; i < ARRAY_SIZE(gprs); i++) {
        if (!strcmp(gprs[i].name, w->name)) {
            w->val = gprs[i].size == 4 ? (uint32_t)c->gpr[gprs[i].gpr] : c->gpr[gprs[i].gpr];
            w->ok = true;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(segs); i++) {
        if (!strncmp(segs[i].name, w->name, 2) && (!w->name[2] || !strcmp(w->name + 2, ".base"))) {
            w->val = w->name[2] ? c->seg[segs[i].seg].base : c->seg[segs[i].seg].selector;
            w->ok = true;
        }
    }
    if (!strcmp(w->name, "pc")) { /* as the CPU fetches: with the segment's base */
        w->val = c->rip + c->seg[SEG_CS].base;
        w->ok = true;
    } else if (!strcmp(w->name, "rip") || !strcmp(w->name, "eip")) {
        w->val = c->rip;
        w->ok = true;
    } else if (!strcmp(w->name, "rflags") || !strcmp(w->name, "eflags")) {
        w->val = c->rflags;
        w->ok = true;
    }
}

static bool cpu_register(Expr *e, uint64_t *out)
{
    size_t n = 0;
    while (g_ascii_isalnum(e->p[n]) || e->p[n] == '.' || e->p[n] == '_')
        n++;
    g_autofree char *name = g_strndup(e->p, n);
    e->p += n;
    X86CPU *c = hmp_cpu(e->h);
    if (!c)
        return error_set(e->errp, "no CPU defined");
    RegisterWork w = {.name = name};
    vcpu_run_on(c, read_register, &w);
    *out = w.val;
    return w.ok || error_set(e->errp, "unknown register");
}

static bool unary(Expr *e, uint64_t *out)
{
    e->p = skip_blanks(e->p);
    if (e->nesting > MAX_NESTING)
        return error_set(e->errp, "expression is nested too deeply");
    char c = *e->p;
    if (c == '+' || c == '-' || c == '~') {
        e->p++;
        e->nesting++;
        bool ok = unary(e, out);
        e->nesting--;
        *out = c == '-' ? -*out : c == '~' ? ~*out : *out;
        return ok;
    }
    if (c == '(') {
        e->p++;
        e->nesting++;
        if (!sum(e, out))
            return false;
        e->nesting--;
        e->p = skip_blanks(e->p);
        if (*e->p != ')')
            return error_set(e->errp, "')' expected");
        e->p++;
        return true;
    }
    if (c == '\'') {
        if (!e->p[1] || e->p[2] != '\'')
            return error_set(e->errp, "missing terminating ' character");
        *out = (uint8_t)e->p[1];
        e->p += 3;
        return true;
    }
    if (c == '$') {
        e->p++;
        return cpu_register(e, out);
    }
    if (!c)
        return error_set(e->errp, "unexpected end of expression");
    char *end;
    errno = 0;
    *out = g_ascii_strtoull(e->p, &end, 0);
    if (errno == ERANGE)
        return error_set(e->errp, "number too large");
    if (end == e->p)
        return error_set(e->errp, "invalid char '%c' in expression", c);
    e->p = end;
    return true;
}

static bool product(Expr *e, uint64_t *out)
{
    if (!unary(e, out))
        return false;
    for (;;) {
        e->p = skip_blanks(e->p);
        char op = *e->p;
        if (!op || !strchr("*/%", op))
            return true;
        e->p++;
        uint64_t b;
        if (!unary(e, &b))
            return false;
        if (op != '*' && !b)
            return error_set(e->errp, "division by zero");
        *out = op == '*' ? *out * b : op == '/' ? *out / b : *out % b;
    }
}

static bool logic(Expr *e, uint64_t *out)
{
    if (!product(e, out))
        return false;
    for (;;) {
        e->p = skip_blanks(e->p);
        char op = *e->p;
        if (!op || !strchr("&|^", op))
            return true;
        e->p++;
        uint64_t b;
        if (!product(e, &b))
            return false;
        *out = op == '&' ? *out & b : op == '|' ? *out | b : *out ^ b;
    }
}

static bool sum(Expr *e, uint64_t *out)
{
    if (!logic(e, out))
        return false;
    for (;;) {
        e->p = skip_blanks(e->p);
        char op = *e->p;
        if (op != '+' && op != '-')
            return true;
        e->p++;
        uint64_t b;
        if (!logic(e, &b))
            return false;
        *out = op == '+' ? *out + b : *out - b;
    }
}

bool hmp_expression(Hmp *h, const char **p, uint64_t *out, Error **errp)
{
    Expr e = {.h = h, .p = *p, .errp = errp};
    if (!sum(&e, out))
        return false;
    *p = skip_blanks(e.p);
    return true;
}

/* --- Arguments --- */

/* The next word: up to a blank, or in double quotes with \" \\ \n \r. NULL: none, or *bad. */
static char *word(const char **p, const char **bad)
{
    const char *s = skip_blanks(*p);
    if (!*s)
        return NULL;
    GString *out = g_string_new(NULL);
    if (*s != '"') {
        while (*s && !g_ascii_isspace(*s))
            g_string_append_c(out, *s++);
    } else {
        for (s++; *s && *s != '"'; s++) {
            if (*s == '\\' && s[1]) {
                static const char from[] = "nr\\'\"", to[] = "\n\r\\'\"";
                const char *esc = strchr(from, *++s);
                if (!esc)
                    *bad = "unsupported escape code";
                g_string_append_c(out, esc ? to[esc - from] : *s);
            } else {
                g_string_append_c(out, *s);
            }
        }
        if (*s++ != '"')
            *bad = "unterminated string";
    }
    if (*bad) {
        g_string_free(out, TRUE);
        return NULL;
    }
    *p = s;
    return g_string_free(out, FALSE);
}

/* What the last /FORMAT said: it holds for the next one. */
static char last_format = 'x';
static unsigned last_size = 4;

static bool parse_format(const char **p, Json *args, Error **errp)
{
    uint64_t count = 1;
    char format = 0;
    unsigned size = 0;
    const char *s = skip_blanks(*p);
    if (*s == '/') {
        s++;
        if (g_ascii_isdigit(*s)) {
            char *end;
            count = g_ascii_strtoull(s, &end, 10);
            s = end;
        }
        for (; *s && !g_ascii_isspace(*s); s++) {
            static const char sizes[] = "bhwg";
            const char *z = strchr(sizes, *s);
            if (z)
                size = 1u << (z - sizes);
            else if (strchr("xoduci", *s))
                format = *s;
            else
                return error_set(errp, "invalid char in format: '%c'", *s);
        }
        *p = skip_blanks(s);
    }
    last_format = format ? format : last_format == 'i' ? 'x' : last_format;
    if (size || format != 'i')
        last_size = size ? size : last_size;
    json_set_uint(args, "count", count);
    json_set(args, "format", json_printf("%c", last_format));
    json_set_uint(args, "size", last_size);
    return true;
}

static bool parse_arg(Hmp *h, const HmpCommand *c, const char *name, char kind, const char **p, Json *args,
                      Error **errp)
{
    const char *bad = NULL;
    if (kind == 'f')
        return parse_format(p, args, errp);
    if (kind == 'e' || kind == 'n') {
        uint64_t v;
        if (!hmp_expression(h, p, &v, errp))
            return false;
        if (kind == 'n' && v > UINT32_MAX)
            return error_set(errp, "'%s' has failed: integer is for 32-bit values", c->name);
        json_set_uint(args, name, v);
        return true;
    }
    if (kind == 'S') {
        *p = skip_blanks(*p);
        json_set(args, name, json_string(*p));
        *p += strlen(*p);
        return true;
    }
    g_autofree char *w = word(p, &bad);
    if (!w) {
        const char *what = kind == 'F' ? "filename" : kind == 'B' ? "block device name" : "string";
        return bad ? error_set(errp, "%s: %s", c->name, bad) : error_set(errp, "%s: %s expected", c->name, what);
    }
    if (kind == 'b') {
        bool on;
        if (!parse_bool(w, &on))
            return error_set(errp, "Expected 'on' or 'off'");
        json_set_bool(args, name, on);
    } else {
        json_set_str(args, name, w);
    }
    return true;
}

/* -v, and -nv for both. */
static bool parse_flags(const HmpCommand *c, const char *const *spec, const char **p, Json *args, Error **errp)
{
    for (*p = skip_blanks(*p); **p == '-' && g_ascii_isgraph((*p)[1]); *p = skip_blanks(*p)) {
        for ((*p)++; **p && !g_ascii_isspace(**p); (*p)++) {
            char flag[3] = {'-', **p};
            if (!g_strv_contains(spec, flag))
                return error_set(errp, "%s: unsupported option %s", c->name, flag);
            json_set_bool(args, flag + 1, true);
        }
    }
    return true;
}

Json *hmp_parse_args(Hmp *h, const HmpCommand *c, const char *text, Error **errp)
{
    g_autoptr(Json) args = json_object();
    g_auto(GStrv) spec = g_strsplit(c->args ? c->args : "", " ", -1);
    if (spec[0] && spec[0][0] == '-' && !parse_flags(c, (const char *const *)spec, &text, args, errp))
        return NULL;
    for (char **s = spec; *s; s++) {
        char *colon = strchr(*s, ':');
        if (!colon)
            continue;
        *colon = 0;
        text = skip_blanks(text);
        if (colon[1] == '-') { /* -X VALUE, or nothing */
            if (text[0] != '-' || text[1] != colon[2] || !g_ascii_isspace(text[2]))
                continue;
            text = skip_blanks(text + 2);
            if (!parse_arg(h, c, *s, 's', &text, args, errp))
                return NULL;
            continue;
        }
        bool optional = colon[2] == '?';
        if (optional && !*text)
            continue;
        if (!parse_arg(h, c, *s, colon[1], &text, args, errp))
            return NULL;
    }
    if (*skip_blanks(text)) {
        error_set(errp, "%s: extraneous characters at the end of line", c->name);
        return NULL;
    }
    return g_steal_pointer(&args);
}
