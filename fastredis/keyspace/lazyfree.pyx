# SPDX-License-Identifier: BSD-3-Clause
r"""Lazy freeing: one thread that frees what the main thread has given up.

    main thread --submit--> [job] -> [job] -> [job] --> thread: fn(what)
                            mutex, condition variable

The thread is started by the first job and lives as long as the process; it needs no
GIL and touches nothing but what it was given. A job's weight is what INFO counts of it:
0 for what the configuration wants freed at once, and what is here only so that nothing
has to wait for it.

Threads: lazyfree_submit and lazyfree_wait on the main thread, counters on any.
"""
from fastredis.core.mem cimport zfree, zmalloc

cdef extern from *:
    """
    #include <pthread.h>
    #include <signal.h>
    #include <stdint.h>
    typedef struct lazyfree_job_t {
        struct lazyfree_job_t *next;
        void (*fn)(void *);
        void *what;
        uint64_t weight;
    } lazyfree_job_t;
    static pthread_mutex_t lazyfree_lock = PTHREAD_MUTEX_INITIALIZER;
    static pthread_cond_t lazyfree_more = PTHREAD_COND_INITIALIZER;
    static pthread_cond_t lazyfree_idle = PTHREAD_COND_INITIALIZER;
    static lazyfree_job_t *lazyfree_first, *lazyfree_last;
    static uint64_t lazyfree_npending, lazyfree_nfreed, lazyfree_njobs;
    static int lazyfree_started;
    static void (*lazyfree_done)(void *);

    static void *lazyfree_main(void *arg) {
        (void)arg;
        pthread_mutex_lock(&lazyfree_lock);
        for (;;) {
            lazyfree_job_t *job = lazyfree_first;
            if (!job) {
                pthread_cond_wait(&lazyfree_more, &lazyfree_lock);
                continue;
            }
            lazyfree_first = job->next;
            if (!lazyfree_first) lazyfree_last = NULL;
            pthread_mutex_unlock(&lazyfree_lock);
            job->fn(job->what);
            uint64_t weight = job->weight;
            lazyfree_done(job);
            pthread_mutex_lock(&lazyfree_lock);
            lazyfree_npending -= weight;
            lazyfree_nfreed += weight;
            if (!--lazyfree_njobs) pthread_cond_broadcast(&lazyfree_idle);
        }
        return NULL;
    }
    /* with the lock held; returns 0, or -1 if there is no thread */
    static int lazyfree_need_thread(void) {
        pthread_t thread;
        sigset_t all, old;
        int ok;
        if (lazyfree_started) return 0;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        ok = pthread_create(&thread, NULL, lazyfree_main, NULL) == 0 ? 0 : -1;
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        if (ok == 0) {
            pthread_detach(thread);
            lazyfree_started = 1;
        }
        return ok;
    }
    static void lazyfree_start_thread(void) {
        pthread_mutex_lock(&lazyfree_lock);
        lazyfree_need_thread();
        pthread_mutex_unlock(&lazyfree_lock);
    }
    /* returns 0, or -1 if there is no thread: the caller frees by itself */
    static int lazyfree_push(lazyfree_job_t *job) {
        int ok;
        pthread_mutex_lock(&lazyfree_lock);
        ok = lazyfree_need_thread();
        if (ok == 0) {
            job->next = NULL;
            if (lazyfree_last) lazyfree_last->next = job;
            else lazyfree_first = job;
            lazyfree_last = job;
            lazyfree_npending += job->weight;
            lazyfree_njobs++;
            pthread_cond_signal(&lazyfree_more);
        }
        pthread_mutex_unlock(&lazyfree_lock);
        return ok;
    }
    static uint64_t lazyfree_read(const uint64_t *counter) {
        pthread_mutex_lock(&lazyfree_lock);
        uint64_t n = *counter;
        pthread_mutex_unlock(&lazyfree_lock);
        return n;
    }
    static void lazyfree_wait_idle(void) {
        pthread_mutex_lock(&lazyfree_lock);
        while (lazyfree_njobs)
            pthread_cond_wait(&lazyfree_idle, &lazyfree_lock);
        pthread_mutex_unlock(&lazyfree_lock);
    }
    static void lazyfree_zero(void) {
        pthread_mutex_lock(&lazyfree_lock);
        lazyfree_nfreed = 0;
        pthread_mutex_unlock(&lazyfree_lock);
    }
    """
    ctypedef struct lazyfree_job_t:
        lazyfree_fn fn
        void *what
        uint64_t weight
    uint64_t lazyfree_npending
    uint64_t lazyfree_nfreed
    lazyfree_fn lazyfree_done
    int lazyfree_push(lazyfree_job_t *job) noexcept nogil
    uint64_t lazyfree_read(const uint64_t *counter) noexcept nogil
    void lazyfree_start_thread() noexcept nogil
    void lazyfree_wait_idle() noexcept nogil
    void lazyfree_zero() noexcept nogil


cdef void _finish_job(void *job) noexcept nogil:
    zfree(job)


cdef void lazyfree_submit(lazyfree_fn fn, void *what, uint64_t weight) noexcept nogil:
    """Have fn(what) called on the other thread; at once here if there is none."""
    cdef lazyfree_job_t *job = <lazyfree_job_t *>zmalloc(sizeof(lazyfree_job_t))
    global lazyfree_done
    lazyfree_done = _finish_job
    job.fn = fn
    job.what = what
    job.weight = weight
    if lazyfree_push(job) != 0:
        zfree(job)
        fn(what)


cdef void lazyfree_start() noexcept nogil:
    """Have the thread started now: it runs on the CPUs of the calling one."""
    lazyfree_start_thread()


cdef uint64_t lazyfree_pending() noexcept nogil:
    """Return the number of objects waiting to be freed."""
    return lazyfree_read(&lazyfree_npending)


cdef uint64_t lazyfree_freed() noexcept nogil:
    """Return the number of objects freed since the start or the last reset."""
    return lazyfree_read(&lazyfree_nfreed)


cdef void lazyfree_reset_stats() noexcept nogil:
    """Set the count of freed objects to zero."""
    lazyfree_zero()


cdef void lazyfree_wait() noexcept nogil:
    """Wait until every job is done."""
    lazyfree_wait_idle()
