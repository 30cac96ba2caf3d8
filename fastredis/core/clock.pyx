# SPDX-License-Identifier: BSD-3-Clause
r"""Calibration of the cycle counter; the clocks themselves are inline in clock.pxd.

The rate is taken over 2 ms at the first call: an error of 100 ns in reading either
clock is then 0.005 %, far below what a latency histogram resolves. On Linux x86-64
the counter is trusted only when the kernel says that it is constant (constant_tsc
and nonstop_tsc in /proc/cpuinfo); on AArch64 its frequency is architectural.
"""

cdef extern from *:
    """
    #include <stdio.h>
    #include <string.h>
    static int clock_counter_is_constant(void) {
    #if defined(__aarch64__)
        return 1;
    #elif defined(__x86_64__) && defined(__APPLE__)
        return 1;
    #elif defined(__x86_64__)
        char line[8192];
        int ok = 0;
        FILE *f = fopen("/proc/cpuinfo", "r");
        if (!f) return 0;
        while (fgets(line, sizeof line, f))
            if (strncmp(line, "flags", 5) == 0) {
                ok = strstr(line, " constant_tsc") && strstr(line, " nonstop_tsc");
                break;
            }
        fclose(f);
        return ok;
    #else
        return 0;
    #endif
    }
    """
    bint clock_counter_is_constant() noexcept nogil

cdef enum:
    CALIBRATION_NS = 2000000


cdef void clock_init() noexcept nogil:
    """Measure the counter's rate; takes 2 ms the first time, nothing afterwards."""
    cdef uint64_t ns0, ns1, c0, c1
    if clock_rate.ns_per_tick != 0:
        return
    clock_rate.has_counter = False
    clock_rate.ns_per_tick = 1.0
    if not clock_counter_is_constant():
        return
    ns0 = clock_mono_ns()
    c0 = clock_counter(True)
    ns1 = ns0
    while ns1 - ns0 < CALIBRATION_NS:
        ns1 = clock_mono_ns()
    c1 = clock_counter(True)
    if c1 > c0:
        clock_rate.ns_per_tick = <double>(ns1 - ns0) / <double>(c1 - c0)
        clock_rate.has_counter = True
