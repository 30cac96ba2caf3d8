# SPDX-License-Identifier: BSD-3-Clause
"""Options that string commands share: when to expire, when to set, by how much.

See options.pyx.
"""
from fastredis.core.status cimport status_t
from fastredis.engine.client cimport client_t
from libc.stdint cimport int64_t, uint32_t

cdef enum:
    OPT_EX = 1 << 0
    OPT_PX = 1 << 1
    OPT_EXAT = 1 << 2
    OPT_PXAT = 1 << 3
    OPT_KEEPTTL = 1 << 4
    OPT_PERSIST = 1 << 5
    OPT_NX = 1 << 6
    OPT_XX = 1 << 7
    OPT_IFEQ = 1 << 8
    OPT_IFNE = 1 << 9
    OPT_IFDEQ = 1 << 10
    OPT_IFDNE = 1 << 11
    OPT_BYINT = 1 << 12
    OPT_BYFLOAT = 1 << 13
    OPT_LBOUND = 1 << 14
    OPT_UBOUND = 1 << 15
    OPT_SATURATE = 1 << 16
    OPT_ENX = 1 << 17
    OPT_GET = 1 << 18

    OPT_TIME = OPT_EX | OPT_PX | OPT_EXAT | OPT_PXAT
    OPT_MATCH = OPT_IFEQ | OPT_IFNE | OPT_IFDEQ | OPT_IFDNE
    OPT_DIGEST = OPT_IFDEQ | OPT_IFDNE
    # groups of words that exclude each other
    OPT_EXPIRY = OPT_TIME | OPT_KEEPTTL | OPT_PERSIST
    OPT_CONDITION = OPT_NX | OPT_XX | OPT_MATCH
    OPT_BY = OPT_BYINT | OPT_BYFLOAT

cdef struct options_t:
    uint32_t flags              # OPT_* that were given
    # indexes of the arguments that belong to them
    int time                    # of one of OPT_TIME
    int match                   # of one of OPT_MATCH
    int by                      # of one of OPT_BY
    int low                     # of OPT_LBOUND
    int high                    # of OPT_UBOUND

# The option that argument i names, or 0.
cdef uint32_t opt_of(client_t *c, int i) noexcept nogil
# Read the options from argument i to the last. allowed: OPT_* that the command has;
# once: those that must not be given twice (of others the last one counts).
cdef status_t opt_read_or_reply(
    client_t *c, int i, uint32_t allowed, uint32_t once, options_t *opts
) noexcept nogil
# The time of an expiry in ms of the wall clock, above 0, that argument i gives. unit:
# one of OPT_TIME, in what and from when on it counts.
cdef status_t opt_time_or_reply(
    client_t *c, int i, uint32_t unit, int64_t *when_out
) noexcept nogil
# The time that the options ask for, DB_KEEP_TTL or DB_NO_TTL.
cdef status_t opt_expiry_or_reply(
    client_t *c, const options_t *opts, int64_t *when_out
) noexcept nogil
