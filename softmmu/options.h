/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line. options_parse() reads it (and -readconfig files) into a list; startup.c goes through the list group
 * by group, in the order in which a machine needs its parts.
 */
#ifndef SOFTMMU_OPTIONS_H
#define SOFTMMU_OPTIONS_H

#include "util/json.h"

/* Every option, in the order of -help. Which it is: OPT_x of the entry "x" in options.c's table. */
typedef enum OptId {
    OPT_HELP,
    OPT_VERSION,
    OPT_MACHINE,
    OPT_CPU,
    OPT_ACCEL,
    OPT_SMP,
    OPT_MEMORY,
    OPT_MEM_PATH,
    OPT_MEM_PREALLOC,
    OPT_BOOT,
    OPT_DEVICE,
    OPT_GLOBAL,
    OPT_SET,
    OPT_NAME,
    OPT_UUID,
    OPT_OBJECT,
    OPT_ENABLE_KVM,
    OPT_DRIVE,
    OPT_BLOCKDEV,
    OPT_HDA,
    OPT_HDB,
    OPT_HDC,
    OPT_HDD,
    OPT_CDROM,
    OPT_FDA,
    OPT_FDB,
    OPT_PFLASH,
    OPT_SD,
    OPT_SNAPSHOT,
    OPT_IMAGE,
    OPT_DISPLAY,
    OPT_NOGRAPHIC,
    OPT_CURSES,
    OPT_VGA,
    OPT_VNC,
    OPT_KEYBOARD,
    OPT_FULL_SCREEN,
    OPT_NET,
    OPT_NIC,
    OPT_NETDEV,
    OPT_AUDIO,
    OPT_AUDIODEV,
    OPT_CHARDEV,
    OPT_SERIAL,
    OPT_PARALLEL,
    OPT_MONITOR,
    OPT_QMP,
    OPT_QMP_PRETTY,
    OPT_MON,
    OPT_DEBUGCON,
    OPT_ECHR,
    OPT_BIOS,
    OPT_KERNEL,
    OPT_APPEND,
    OPT_INITRD,
    OPT_OPTION_ROM,
    OPT_FW_CFG,
    OPT_FIRMWARE_DIR,
    OPT_RTC,
    OPT_NO_HPET,
    OPT_NO_FD_BOOTCHK,
    OPT_NO_ACPI,
    OPT_ACPITABLE,
    OPT_SMBIOS,
    OPT_ACTION,
    OPT_WATCHDOG_ACTION,
    OPT_NO_REBOOT,
    OPT_NO_SHUTDOWN,
    OPT_STOPPED,
    OPT_GDB_STUB,
    OPT_GDB,
    OPT_NODEFAULTS,
    OPT_NO_USER_CONFIG,
    OPT_READCONFIG,
    OPT_MSG,
    OPT_ADD_FD,
    OPT_OVERCOMMIT,
    OPT_LOG,
    OPT_LOG_FILE,
    OPT_LOG_FILTER,
    OPT_TRACE,
    OPT_PERFMAP,
    OPT_JITDUMP,
    OPT_PIDFILE,
    OPT_DAEMONIZE,
    OPT_QTEST,
    OPT_QTEST_LOG,
    OPT_ABSENT, /* QEMU has it, we do not yet */
} OptId;

typedef struct OptDesc {
    const char *name;
    OptId id;
    bool has_arg;
    const char *group; /* its section in -readconfig and -set; NULL: none */
    const char *args, *help;
} OptDesc;

typedef struct Option {
    const OptDesc *desc;
    char *arg;   /* NULL where the option takes none */
    char *where; /* "-device foo" for messages */
} Option;

/* All options given, in order; of Option. Errors name the option. */
bool options_parse(int argc, char **argv, Error **errp);
/* The next option with that id after prev (NULL: the first); NULL at the end. */
const Option *option_next(OptId id, const Option *prev);
const Option *option_last(OptId id);
static inline bool option_given(OptId id)
{
    return option_next(id, NULL);
}
/* All options, in order. */
const Option *option_at(size_t i);
/* The object of all key=value texts of an option that merges (-machine, -smp, -m): later values win. NULL on error;
 * empty where not given. */
Json *options_merged(OptId id, const char *implied_key, Error **errp);
void options_help(void);                               /* -help, to stdout */
bool options_group_help(void);                         /* "-smp help" and its like, to stdout; false: nobody asked */
Json *options_query(const char *option, Error **errp); /* query-command-line-options's reply */

/* startup.c: make the machine that the options describe. */
bool startup_early(
    Error **errp); /* before daemonizing: what only prints, and what may fail without a machine; may exit(0) */
bool startup_machine(Error **errp);
void startup_cleanup(void);

extern const char version_text[]; /* the line of -version */
extern const char version_package[];

#endif
