/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * work: reads commands, one a line, and answers on the same line:
 *   row NAME AMOUNT            run a row of the tables in a child
 *   exec TIMES PROGRAM ARG...  run a program TIMES times, its output read and summed
 *   copies N                   from now on N processes do that at the same time, each on a CPU of its own
 *   quit
 * Answers: "@ready", "@begin", then "@end CHECKSUM SECONDS" or "@failed WHY". The seconds are this system's own, by
 * CLOCK_MONOTONIC. As the first process of a guest it mounts what programs need and speaks on /dev/ttyS0, else on
 * standard input and output.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include "work.h"

static const Row *const tables[] = {integer_rows, vector_rows, memory_rows, system_rows, crypto_rows};

void fail(const char *what)
{
    fprintf(stderr, "work: %s: %s\n", what, strerror(errno));
    exit(1);
}

void *allocate(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        fail("mmap");
    return p;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static const Row *find_row(const char *name)
{
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
        for (const Row *r = tables[i]; r->name; r++)
            if (!strcmp(r->name, name))
                return r;
    return NULL;
}

enum { COPIES_MAX = 16 };
typedef struct Result {
    uint64_t sum;
    double start, end;
} Result;

static unsigned copies = 1;

static bool ended_well(pid_t pid)
{
    int status;
    if (waitpid(pid, &status, 0) != pid) {
        printf("@failed waitpid: %s\n", strerror(errno));
        return false;
    }
    if (WIFSIGNALED(status)) {
        printf("@failed signal %d\n", WTERMSIG(status));
        return false;
    }
    if (WEXITSTATUS(status)) {
        printf("@failed exit status %d\n", WEXITSTATUS(status));
        return false;
    }
    return true;
}

/* The n-th of the CPUs that this process may use is the only one from now on. */
static void take_cpu(unsigned n)
{
    cpu_set_t all, one;
    if (sched_getaffinity(0, sizeof(all), &all))
        fail("sched_getaffinity");
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &all) || n--)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        if (sched_setaffinity(0, sizeof(one), &one))
            fail("sched_setaffinity");
        return;
    }
    errno = ENODEV;
    fail("a CPU for each copy");
}

/* What a child does with its result; false: it has said why it failed. */
typedef bool Work(Result *r, void *arg);

static void run_copies(Work *work, void *arg)
{
    pid_t pid[COPIES_MAX];
    uint64_t sum = 0;
    double start = 0, end = 0;
    bool well = true;
    Result *result =
        mmap(NULL, sizeof(*result) * COPIES_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (result == MAP_FAILED)
        fail("mmap");
    printf("@begin\n");
    for (unsigned n = 0; n < copies; n++) {
        pid[n] = fork();
        if (pid[n] < 0)
            fail("fork");
        if (!pid[n]) {
            if (copies > 1)
                take_cpu(n);
            result[n].start = now();
            bool done = work(&result[n], arg);
            result[n].end = now();
            fflush(stdout);
            _exit(!done);
        }
    }
    for (unsigned n = 0; n < copies; n++) {
        well = well && ended_well(pid[n]);
        sum = n ? mix(sum, result[n].sum) : result[n].sum;
        start = n && start < result[n].start ? start : result[n].start;
        end = end > result[n].end ? end : result[n].end;
    }
    if (well)
        printf("@end %016llx %.6f\n", (unsigned long long)sum, end - start);
    munmap(result, sizeof(*result) * COPIES_MAX);
}

typedef struct RowWork {
    const Row *row;
    uint64_t amount;
} RowWork;

static bool row_work(Result *r, void *arg)
{
    const RowWork *w = arg;
    /* The row's stack begins in the middle of a page, wherever the kernel has put it: what crosses pages is a row of
     * its own. */
    volatile char *room = __builtin_alloca(16 + (((uintptr_t)__builtin_frame_address(0) - 2048) & 4080));
    room[0] = 0;
    r->sum = w->row->run(w->amount);
    return true;
}

static void run_row(const char *name, uint64_t amount)
{
    RowWork w = {find_row(name), amount};
    if (!w.row)
        printf("@failed no such row\n");
    else
        run_copies(row_work, &w);
}

/* One run of a program; its standard output goes into *sum. */
static bool run_program(char **argv, uint64_t *sum)
{
    static uint8_t buffer[65536];
    int fds[2];
    ssize_t got;
    if (pipe(fds))
        fail("pipe");
    pid_t pid = fork();
    if (pid < 0)
        fail("fork");
    if (!pid) {
        int null = open("/dev/null", O_RDONLY);
        dup2(null, 0);
        dup2(fds[1], 1);
        close(fds[0]);
        close(fds[1]);
        execv(argv[0], argv);
        fail(argv[0]);
    }
    close(fds[1]);
    while ((got = read(fds[0], buffer, sizeof(buffer))) > 0)
        for (ssize_t i = 0; i < got; i++)
            *sum = mix(*sum, buffer[i]);
    close(fds[0]);
    return ended_well(pid);
}

typedef struct ExecWork {
    uint64_t times;
    char **argv;
} ExecWork;

static bool exec_work(Result *r, void *arg)
{
    const ExecWork *w = arg;
    r->sum = MIX_START;
    for (uint64_t n = 0; n < w->times; n++)
        if (!run_program(w->argv, &r->sum))
            return false;
    return true;
}

static void run_programs(uint64_t times, char **argv)
{
    ExecWork w = {times, argv};
    run_copies(exec_work, &w);
}

static void start_guest(void)
{
    static const char *const mounts[][2] = {
        {"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"}};
    for (size_t i = 0; i < sizeof(mounts) / sizeof(*mounts); i++) {
        mkdir(mounts[i][1], 0755);
        mount(mounts[i][0], mounts[i][1], mounts[i][0], 0, NULL);
    }
    setenv("PATH", "/usr/bin:/bin", 1);
    int tty = open("/dev/ttyS0", O_RDWR | O_NOCTTY);
    struct termios t;
    if (tty < 0 || tcgetattr(tty, &t))
        fail("/dev/ttyS0");
    cfmakeraw(&t);
    tcsetattr(tty, TCSANOW, &t);
    for (int fd = 0; fd < 3; fd++)
        dup2(tty, fd);
}

int main(int argc, char **argv)
{
    static char line[1024];
    bool guest = getpid() == 1;
    if (argc > 1 && !strcmp(argv[1], "--exit"))
        return 5;
    if (guest)
        start_guest();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (chdir(guest ? "/bench" : argc > 1 ? argv[1] : "."))
        fail("chdir");
    printf("@ready\n");
    while (fgets(line, sizeof(line), stdin)) {
        char *words[32];
        unsigned n = 0;
        for (char *w = strtok(line, " \r\n"); w && n < 31; w = strtok(NULL, " \r\n"))
            words[n++] = w;
        words[n] = NULL;
        if (n == 3 && !strcmp(words[0], "row"))
            run_row(words[1], strtoull(words[2], NULL, 10));
        else if (n >= 3 && !strcmp(words[0], "exec"))
            run_programs(strtoull(words[1], NULL, 10), words + 2);
        else if (n == 2 && !strcmp(words[0], "copies"))
            copies = atoi(words[1]) < 1 ? 1 : atoi(words[1]) > COPIES_MAX ? COPIES_MAX : atoi(words[1]);
        else if (n == 1 && !strcmp(words[0], "quit"))
            break;
        else if (n)
            printf("@failed unknown command\n");
    }
    if (guest) {
        sync();
        reboot(RB_POWER_OFF);
    }
    return 0;
}
