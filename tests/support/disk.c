/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A disk that fails on demand and whose unsynced part can be lost: preloaded into a
 * server by tests/support/disk.py, which explains both files.
 *
 *   DISK_FOLDER  paths below it are looked after, all others are left alone
 *   DISK_RULES   a file, one rule a line: OPERATION NAME ERROR LIMIT
 *   DISK_JOURNAL a file that what has happened is appended to
 *   DISK_STORE   a folder where each file made has a second link, named by its inode
 *
 * Rules are read anew at each call, so that a test can change them while a server and
 * its children run. Nothing here keeps state, so that it works after fork, too.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RULES_MAX 4096
#define NO_LIMIT (-1L)

/* What a rule says is to happen. */
enum { PASS = 0, KILL_BEFORE = -1, KILL_AFTER = -2, HOLD = -3 };
#define HOLD_US 5000

static const char *setting(const char *name) {
    const char *value = getenv(name);
    return value != NULL && *value ? value : NULL;
}

static int is_ours(const char *path) {
    const char *folder = setting("DISK_FOLDER");
    size_t n;
    if (folder == NULL) return 0;
    n = strlen(folder);
    return strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == 0);
}

/* Make a path absolute; the working directory is within no link. */
static const char *absolute(const char *path, char *out) {
    size_t n;
    if (path[0] == '/') {
        snprintf(out, PATH_MAX, "%s", path);
    } else {
        if (getcwd(out, PATH_MAX) == NULL) return "";
        n = strlen(out);
        if (strcmp(path, ".") != 0) snprintf(out + n, PATH_MAX - n, "/%s", path);
    }
    return out;
}

static const char *path_of(int fd, char *out) {
    char link[64];
    ssize_t n;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, out, PATH_MAX - 1);
    out[n < 0 ? 0 : n] = 0;
    return out;
}

static void note(const char *format, ...) {
    const char *journal = setting("DISK_JOURNAL");
    char line[2 * PATH_MAX + 64];
    va_list args;
    int fd, n, saved = errno;
    if (journal == NULL) return;
    va_start(args, format);
    n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    fd = syscall(SYS_openat, AT_FDCWD, journal, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd >= 0) {
        (void)!syscall(SYS_write, fd, line, (size_t)n);
        syscall(SYS_close, fd);
    }
    errno = saved;
}

/* Does the name contain this, or is it this after "="? */
static int bears(const char *base, const char *name) {
    return name[0] == '=' ? strcmp(base, name + 1) == 0 : strstr(base, name) != NULL;
}

/* Return what is to happen to an operation on a path: an error, or one of the above. */
static int find_rule(const char *operation, const char *path, long *limit) {
    const char *rules = setting("DISK_RULES");
    char text[RULES_MAX], *line, *save, what[16], name[256], error[32];
    const char *base = strrchr(path, '/');
    ssize_t n;
    int fd, saved = errno;
    *limit = NO_LIMIT;
    if (rules == NULL) return PASS;
    fd = syscall(SYS_openat, AT_FDCWD, rules, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        errno = saved;
        return PASS;
    }
    n = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    errno = saved;
    if (n <= 0) return PASS;
    text[n] = 0;
    base = base == NULL ? path : base + 1;
    for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (sscanf(line, "%15s %255s %31s %ld", what, name, error, limit) < 3) continue;
        if (strcmp(what, operation) == 0 && bears(base, name)) {
            if (strcmp(error, "kill") == 0) return KILL_BEFORE;
            if (strcmp(error, "kill-after") == 0) return KILL_AFTER;
            if (strcmp(error, "hold") == 0) return HOLD;
            return atoi(error);
        }
        *limit = NO_LIMIT;
    }
    return PASS;
}

static int rule_for(const char *operation, const char *path, long *limit) {
    int rule;
    while ((rule = find_rule(operation, path, limit)) == HOLD) usleep(HOLD_US);
    return rule;
}

/* Apply a rule before an operation: true, the operation is not to be done. */
static int refuse(const char *operation, const char *path, int *rule) {
    long limit;
    *rule = rule_for(operation, path, &limit);
    if (*rule == KILL_BEFORE) raise(SIGKILL);
    if (*rule <= 0) return 0;
    note("fault %s %s\n", operation, path);
    errno = *rule;
    return 1;
}

static void after(int rule) {
    if (rule == KILL_AFTER) raise(SIGKILL);
}

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }
#define NEXT(name) ((__typeof__(name) *)next(#name))

/* --- Opening ---------------------------------------------------------------------- */

/* Remember a file that was made or emptied; it gets a link of its own. */
static void opened(int fd, const char *path, int was_there, int flags) {
    const char *store = setting("DISK_STORE");
    char link[PATH_MAX];
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) return;
    if (was_there) {
        if (flags & O_TRUNC) note("cut %lu 0\n", (unsigned long)st.st_ino);
        return;
    }
    if (store != NULL) {
        snprintf(link, sizeof link, "%s/%lu", store, (unsigned long)st.st_ino);
        (void)!syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, link, 0);
    }
    note("make %lu %s\n", (unsigned long)st.st_ino, path);
}

static int open_as(int dir, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    struct stat st;
    int fd, rule, was_there, saved;
    absolute(name, path);
    if (!(flags & (O_WRONLY | O_RDWR | O_CREAT)) || !is_ours(path))
        return syscall(SYS_openat, dir, name, flags, mode);
    if (refuse("open", path, &rule)) return -1;
    was_there = stat(path, &st) == 0;
    fd = syscall(SYS_openat, dir, name, flags, mode);
    saved = errno;
    opened(fd, path, was_there, flags);
    after(rule);
    errno = saved;
    return fd;
}

#define MODE_OF(flags, mode)                \
    do {                                    \
        va_list args;                       \
        mode = 0;                           \
        if ((flags) & (O_CREAT | O_TMPFILE)) { \
            va_start(args, flags);          \
            mode = va_arg(args, mode_t);    \
            va_end(args);                   \
        }                                   \
    } while (0)

int open(const char *path, int flags, ...) {
    mode_t mode;
    MODE_OF(flags, mode);
    return open_as(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    mode_t mode;
    MODE_OF(flags, mode);
    return open_as(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}

/* --- Writing ---------------------------------------------------------------------- */

ssize_t write(int fd, const void *buf, size_t nbytes) {
    char path[PATH_MAX];
    struct stat st;
    ssize_t n;
    long limit;
    int rule;
    if (fd <= 2 || setting("DISK_RULES") == NULL || !is_ours(path_of(fd, path)))
        return syscall(SYS_write, fd, buf, nbytes);
    rule = rule_for("write", path, &limit);
    if (rule == KILL_BEFORE) {
        /* in the midst of it */
        (void)!syscall(SYS_write, fd, buf, nbytes / 2);
        raise(SIGKILL);
    }
    if (rule > 0 && fstat(fd, &st) == 0 && st.st_size + (long)nbytes > limit) {
        note("fault write %s\n", path);
        if (limit <= st.st_size) {
            errno = rule;
            return -1;
        }
        nbytes = limit - st.st_size; /* as much as there is room for */
    }
    n = syscall(SYS_write, fd, buf, nbytes);
    after(rule);
    return n;
}

static int sync_as(int fd, int number, const char *operation) {
    char path[PATH_MAX];
    struct stat st;
    int rule, result;
    if (!is_ours(path_of(fd, path))) return syscall(number, fd);
    if (refuse(operation, path, &rule)) return -1;
    if (fstat(fd, &st) != 0) return -1;
    result = syscall(number, fd);
    if (result != 0) return result;
    if (S_ISDIR(st.st_mode))
        note("folder %s\n", path);
    else
        note("sync %lu %ld\n", (unsigned long)st.st_ino, (long)st.st_size);
    after(rule);
    return 0;
}

int fsync(int fd) { return sync_as(fd, SYS_fsync, "fsync"); }
int fdatasync(int fd) { return sync_as(fd, SYS_fdatasync, "fsync"); }

static int cut_as(int fd, off_t nbytes) {
    char path[PATH_MAX];
    struct stat st;
    int rule;
    if (!is_ours(path_of(fd, path))) return syscall(SYS_ftruncate, fd, nbytes);
    if (refuse("truncate", path, &rule)) return -1;
    if (syscall(SYS_ftruncate, fd, nbytes) != 0) return -1;
    if (fstat(fd, &st) == 0)
        note("cut %lu %ld\n", (unsigned long)st.st_ino, (long)nbytes);
    after(rule);
    return 0;
}

int ftruncate(int fd, off_t nbytes) { return cut_as(fd, nbytes); }
int ftruncate64(int fd, off64_t nbytes) { return cut_as(fd, nbytes); }

static int cut_name(const char *name, off_t nbytes) {
    int fd = open_as(AT_FDCWD, name, O_WRONLY | O_CLOEXEC, 0);
    int result, saved;
    if (fd < 0) return -1;
    result = cut_as(fd, nbytes);
    saved = errno;
    close(fd);
    errno = saved;
    return result;
}

int truncate(const char *name, off_t nbytes) { return cut_name(name, nbytes); }
int truncate64(const char *name, off64_t nbytes) { return cut_name(name, nbytes); }

/* --- Names ------------------------------------------------------------------------ */

int rename(const char *old, const char *new) {
    char from[PATH_MAX], to[PATH_MAX];
    struct stat st;
    int rule, result;
    absolute(old, from);
    absolute(new, to);
    if (!is_ours(to)) return NEXT(rename)(old, new);
    if (refuse("rename", to, &rule)) return -1;
    if (stat(from, &st) != 0) return NEXT(rename)(old, new);
    note("rename %lu %s %s\n", (unsigned long)st.st_ino, from, to);
    result = NEXT(rename)(old, new);
    after(rule);
    return result;
}

int unlink(const char *name) {
    char path[PATH_MAX];
    int rule, result;
    absolute(name, path);
    if (!is_ours(path)) return NEXT(unlink)(name);
    if (refuse("unlink", path, &rule)) return -1;
    note("unlink %s\n", path);
    result = NEXT(unlink)(name);
    after(rule);
    return result;
}

int mkdir(const char *name, mode_t mode) {
    char path[PATH_MAX];
    struct stat st;
    int rule, result;
    absolute(name, path);
    if (!is_ours(path)) return NEXT(mkdir)(name, mode);
    if (refuse("mkdir", path, &rule)) return -1;
    if (stat(path, &st) != 0) note("mkdir %s\n", path);
    result = NEXT(mkdir)(name, mode);
    after(rule);
    return result;
}
