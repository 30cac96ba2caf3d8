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
from libc.stddef cimport size_t

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #ifdef __linux__
    #include <sys/prctl.h>
    #endif
    extern char **environ;
    static char *title_start, *title_end;

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
        if (v[2] == v[1] && v[3] > v[2] && environ && environ[0] == (char *)v[2]) {
            size_t i, count = 0;
            char **copies;
            while (environ[count]) count++;
            copies = malloc(count * sizeof *copies);
            if (!copies) return 1;
            for (i = 0; i < count; i++) {
                copies[i] = strdup(environ[i]);
                if (!copies[i]) {  /* the arguments alone must do */
                    while (i) free(copies[--i]);
                    free(copies);
                    return 1;
                }
            }
            for (i = 0; i < count; i++) environ[i] = copies[i];
            free(copies);
            title_end = (char *)v[3];
        }
        return 1;
    #else
        return 0;
    #endif
    }

    static int title_set(const char *text, size_t len) {
        size_t cap;
        if (!title_start && !title_find()) return 0;
        cap = (size_t)(title_end - title_start);
        if (len > cap - 1) len = cap - 1;
        memset(title_start, 0, cap);
        memcpy(title_start, text, len);
        return 1;
    }

    static void title_set_name(const char *name) {
    #ifdef __linux__
        prctl(PR_SET_NAME, name);
    #endif
    }
    """
    int title_set(const char *text, size_t len)
    void title_set_name(const char *name)


def set_title(bytes title not None):
    """Show a title for this process, cut to the room there is.

    Return whether this system has a place for it.
    """
    return bool(title_set(title, len(title)))


def set_name(bytes name not None):
    """Name the calling thread, with at most 15 bytes: what ``ps -o comm`` shows."""
    title_set_name(name)
