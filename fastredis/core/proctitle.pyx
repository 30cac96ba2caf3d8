# SPDX-License-Identifier: BSD-3-Clause
r"""The title of the process, as ps and top show it.

    arg_start            arg_end = env_start                    env_end
    v                    v                                      v
    +--------------------+--------------------------------------+
    |python\0-m\0fastr...|LANG=C\0PATH=/usr/bin\0...            |     at the start
    +--------------------+--------------------------------------+
    |redis-server *:6379\0\0\0\0 ...                            |     with a title
    +--------------------+--------------------------------------+

The kernel shows the memory that the arguments were passed in; what is written there
becomes the title. Linux says where it lies in /proc/self/stat. The environment behind
it makes room for longer titles, so its texts are copied away first: the C library's
getenv goes on working, and Python has copies of its own anyway.

Where that memory cannot be found (another system, no /proc) there is no title.

Threads: any, but one at a time. Another thread must not call getenv during the first
call, so that is best made before there are threads.
"""
from fastredis.core.mem cimport ztrymalloc

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <stdio.h>
    #include <string.h>
    #ifdef __linux__
    #include <sys/prctl.h>
    #endif
    extern char **environ;
    static char *title_start, *title_end, *title_env_end;

    /* Find the memory; return whether there is any. */
    static int title_find(void) {
    #ifdef __linux__
        char line[4096], *p;
        unsigned long v[4] = {0, 0, 0, 0};
        size_t n;
        int field;
        FILE *f = fopen("/proc/self/stat", "r");
        if (!f) return 0;
        n = fread(line, 1, sizeof line - 1, f);
        fclose(f);
        line[n] = 0;
        /* the name of the program, in parentheses, may hold blanks */
        p = strrchr(line, ')');
        for (field = 2; p && field < 48; field++) {
            p = strchr(p + 1, ' ');
        }
        if (!p || sscanf(p, "%lu %lu %lu %lu", v, v + 1, v + 2, v + 3) != 4) return 0;
        if (v[0] == 0 || v[1] <= v[0]) return 0;
        title_start = (char *)v[0];
        title_end = (char *)v[1];
        /* one piece, and still what environ points to? */
        if (v[2] == v[1] && v[3] > v[2] && environ && environ[0] == (char *)v[2])
            title_env_end = (char *)v[3];
        return 1;
    #else
        return 0;
    #endif
    }

    static size_t title_env_nbytes(void) {
        return title_env_end ? (size_t)(title_env_end - title_end) : 0;
    }
    /* Have the environment in other memory, and its place for the title. */
    static void title_move_env(char *copy) {
        char **e;
        memcpy(copy, title_end, (size_t)(title_env_end - title_end));
        for (e = environ; *e; e++)
            if (*e >= title_end && *e < title_env_end) *e = copy + (*e - title_end);
        title_end = title_env_end;
        title_env_end = NULL;
    }
    static int title_is_found(void) { return title_start != NULL; }

    static void title_set(const char *text, size_t len) {
        size_t cap = (size_t)(title_end - title_start);
        if (len > cap - 1) len = cap - 1;
        memset(title_start, 0, cap);
        memcpy(title_start, text, len);
    }

    static void title_set_name(const char *name) {
    #ifdef __linux__
        prctl(PR_SET_NAME, name);
    #endif
    }
    """
    bint title_is_found() noexcept nogil
    bint title_find()
    size_t title_env_nbytes()
    void title_move_env(char *copy)
    void title_set(const char *text, size_t len) noexcept nogil
    void title_set_name(const char *name)


def set_title(bytes title not None):
    """Show a title for this process, cut to the room there is.

    Return whether this system has a place for it.
    """
    cdef char *copy
    if not title_is_found():
        if not title_find():
            return False
        if title_env_nbytes():
            copy = <char *>ztrymalloc(title_env_nbytes())
            if copy != NULL:  # it stays until the process ends
                title_move_env(copy)
    title_set(title, len(title))
    return True


cdef void proctitle_replace(const char *title, size_t nbytes) noexcept nogil:
    """Show another title where one was shown before."""
    if title_is_found():
        title_set(title, nbytes)


def set_name(bytes name not None):
    """Name the calling thread, with at most 15 bytes: what ``ps -o comm`` shows."""
    title_set_name(name)
