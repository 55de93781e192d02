/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device's state as a table of fields: saved big endian, in the table's order, with a version and subsections, in the
 * format of QEMU's migration stream (docs/devel/migration.rst of QEMU's documentation). A stream is untrusted input: each
 * length is checked against what is left and against the array it fills; post_load checks values.
 */
#ifndef HW_CORE_VMSTATE_H
#define HW_CORE_VMSTATE_H

#include "hw/core/clock.h"
#include "util/error.h"

typedef struct Device Device;
typedef struct VmState VmState;
typedef struct VmField VmField;

typedef enum VmKind {
    VM_END,
    VM_INT,    /* 1, 2, 4 or 8 bytes, size in .size; .num elements */
    VM_BOOL_K, /* a bool as one byte; anything but 0 and 1 is refused */
    VM_BYTES,  /* .num raw bytes */
    VM_VBYTES, /* as many raw bytes as the uint32_t at .count_offset says, at most .num, behind a pointer or in place */
    VM_STRUCT_K, /* .num structs of .size bytes, each by .vmsd */
    VM_VSTRUCT,  /* as VM_STRUCT_K, the number from the int32_t/uint32_t at .count_offset, at most .num */
    VM_TIMER_K,  /* int64 deadline in ns of the timer's clock, all ones when stopped */
    VM_UNUSED,   /* .num bytes written as zero, skipped on load */
    VM_CUSTOM,   /* .put and .get */
} VmKind;

/* A growing output and a bounded input. */
typedef struct VmWriter VmWriter;
typedef struct VmReader VmReader;

struct VmField {
    const char *name;
    VmKind kind;
    size_t offset, size, num, count_offset;
    bool is_pointer; /* the field holds a pointer to the data (allocated at realize), not the data */
    int min_version; /* not in streams of an older version */
    const VmState *vmsd;
    bool (*exists)(void *opaque, int version); /* NULL: always */
    void (*put)(VmWriter *w, const void *field, const VmField *f);
    bool (*get)(VmReader *r, void *field, const VmField *f, Error **errp);
};

struct VmState {
    const char *name; /* NULL: the device's name */
    int version, min_version;
    const VmField *fields;                          /* ended by {} */
    const VmState *const *subsections;              /* NULL-ended, or NULL */
    bool (*needed)(void *opaque);                   /* subsections: saved where true */
    /* opaque is the struct that the fields' offsets count from. For a device's own table that is its state struct, which
     * begins with its Device: (Device *) and the struct pointer are the same address. */
    bool (*pre_save)(Device *dev, Error **errp);
    bool (*pre_load)(Device *dev, Error **errp);
    bool (*post_load)(Device *dev, Error **errp);
};

#define VMF_(S, f, ...)        {.name = #f, .offset = offsetof(S, f), .size = sizeof(((S *)0)->f), .num = 1, __VA_ARGS__}
#define VM_SIZED_(S, f, T)     VMF_(S, f, .kind = VM_INT + 0 * sizeof(char[sizeof(((S *)0)->f) == sizeof(T) ? 1 : -1]))
#define VM_U8(S, f)            VM_SIZED_(S, f, uint8_t)
#define VM_U16(S, f)           VM_SIZED_(S, f, uint16_t)
#define VM_U32(S, f)           VM_SIZED_(S, f, uint32_t)
#define VM_U64(S, f)           VM_SIZED_(S, f, uint64_t)
#define VM_I32(S, f)           VM_SIZED_(S, f, int32_t)
#define VM_I64(S, f)           VM_SIZED_(S, f, int64_t)
#define VM_BOOL(S, f)          VMF_(S, f, .kind = VM_BOOL_K)
#define VM_ELEM_(S, f)         (sizeof(((S *)0)->f[0]))
#define VM_COUNT_(S, f)        (sizeof(((S *)0)->f) / VM_ELEM_(S, f))
/* An array of integers of any of the four sizes. */
#define VM_INT_ARRAY(S, f)     {.name = #f, .kind = VM_INT, .offset = offsetof(S, f), .size = VM_ELEM_(S, f), .num = VM_COUNT_(S, f)}
#define VM_BOOL_ARRAY(S, f)    {.name = #f, .kind = VM_BOOL_K, .offset = offsetof(S, f), .size = 1, .num = VM_COUNT_(S, f)}
/* A fixed array of bytes, or the whole of a plain struct that is only bytes. */
#define VM_BUFFER(S, f)        {.name = #f, .kind = VM_BYTES, .offset = offsetof(S, f), .num = sizeof(((S *)0)->f)}
/* count: a uint32_t field listed earlier; max: bound in bytes. */
#define VM_VBUFFER(S, f, count, max) {.name = #f, .kind = VM_VBYTES, .offset = offsetof(S, f), .num = max, .count_offset = offsetof(S, count)}
#define VM_VBUFFER_PTR(S, f, count, max) {.name = #f, .kind = VM_VBYTES, .offset = offsetof(S, f), .num = max, .count_offset = offsetof(S, count), .is_pointer = true}
#define VM_STRUCT(S, f, v)       VMF_(S, f, .kind = VM_STRUCT_K, .vmsd = &(v))
#define VM_STRUCT_ARRAY(S, f, v) {.name = #f, .kind = VM_STRUCT_K, .offset = offsetof(S, f), .size = VM_ELEM_(S, f), .num = VM_COUNT_(S, f), .vmsd = &(v)}
#define VM_TIMER(S, f)           VMF_(S, f, .kind = VM_TIMER_K)
#define VM_TIMER_ARRAY(S, f)     {.name = #f, .kind = VM_TIMER_K, .offset = offsetof(S, f), .size = sizeof(Timer), .num = VM_COUNT_(S, f)}
#define VM_SKIP(bytes)           {.name = "unused", .kind = VM_UNUSED, .num = (bytes)}

VmWriter *vm_writer_new(void);
void vm_put(VmWriter *w, const void *data, size_t len);
void vm_put_be(VmWriter *w, uint64_t val, unsigned size);
GByteArray *vm_writer_finish(VmWriter *w); /* frees w; the caller owns the bytes */
VmReader *vm_reader_new(const uint8_t *data, size_t len); /* data is borrowed */
bool vm_get(VmReader *r, void *out, size_t len, Error **errp);
bool vm_get_be(VmReader *r, uint64_t *out, unsigned size, Error **errp);
size_t vm_reader_left(const VmReader *r);
void vm_reader_free(VmReader *r);

bool vmstate_save(VmWriter *w, const VmState *v, void *opaque, Error **errp);
bool vmstate_load(VmReader *r, const VmState *v, void *opaque, int version, Error **errp);

#endif
