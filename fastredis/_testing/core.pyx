# SPDX-License-Identifier: BSD-3-Clause
"""Python views of fastredis.core for its tests.

A failure is None. What is written into a buffer is checked not to reach behind it.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from fastredis.core.crc64 cimport crc64 as crc64_add
from fastredis.core.num cimport (
    NUM_DOUBLE_BUF,
    NUM_INT_BUF,
    NUM_LD_HUMAN_BUF,
    ld_t,
    num_digits_u64,
    num_format_double,
    num_format_i64,
    num_format_ld_human,
    num_format_u64,
    num_parse_double,
    num_parse_i64,
    num_parse_ld,
    num_parse_u64,
)
from fastredis.core.pattern cimport pattern_is_literal, pattern_match
from fastredis.core.sha1 cimport (
    SHA1_NBYTES,
    sha1_final,
    sha1_init,
    sha1_t,
    sha1_update,
)
from fastredis.core.sha1 cimport sha1 as sha1_at_once
from fastredis.core.status cimport C_OK
from fastredis.core.xxh3 cimport xxh3_64

cdef enum:
    FENCE = 16  # bytes behind a buffer that must stay as they are
    FENCE_BYTE = 0x5A
    POISON = 42  # what an output holds before a call that fails

cdef extern from "<float.h>":
    int LDBL_MANT_DIG

LD_MANTISSA_BITS = <int>LDBL_MANT_DIG
DOUBLE_BUF = <int>NUM_DOUBLE_BUF
LD_HUMAN_BUF = <int>NUM_LD_HUMAN_BUF


cdef bytes _taken(const char *buf, Py_ssize_t cap, int nbytes):
    """Return the text, after a look at the fence behind cap."""
    if nbytes < 0 or nbytes > cap:
        raise AssertionError(f"{nbytes} bytes of {cap}")
    if buf[cap:cap + FENCE] != bytes([FENCE_BYTE]) * FENCE:
        raise AssertionError("written behind the buffer")
    return buf[:nbytes]


# --- num ---------------------------------------------------------------------

def parse_i64(bytes text):
    cdef int64_t value = POISON

    if num_parse_i64(text, len(text), &value) == C_OK:
        return value
    if value != POISON:
        raise AssertionError("output changed on failure")
    return None


def parse_u64(bytes text):
    cdef uint64_t value = POISON

    if num_parse_u64(text, len(text), &value) == C_OK:
        return value
    if value != POISON:
        raise AssertionError("output changed on failure")
    return None


def parse_double(bytes text):
    cdef double value = POISON

    if num_parse_double(text, len(text), &value) == C_OK:
        return value
    if value != POISON:
        raise AssertionError("output changed on failure")
    return None


def parse_double_part(bytes text, Py_ssize_t nbytes):
    """Parse the first nbytes of a longer text."""
    cdef double value = POISON

    if num_parse_double(text, nbytes, &value) == C_OK:
        return value
    return None


def format_i64(int64_t value):
    cdef char buf[NUM_INT_BUF + FENCE]

    memset(buf, FENCE_BYTE, sizeof(buf))
    return _taken(buf, NUM_INT_BUF, num_format_i64(buf, value))


def format_u64(uint64_t value):
    cdef char buf[NUM_INT_BUF + FENCE]

    memset(buf, FENCE_BYTE, sizeof(buf))
    return _taken(buf, NUM_INT_BUF, num_format_u64(buf, value))


def digits_u64(uint64_t value):
    return num_digits_u64(value)


def format_double(double value, int cap=NUM_DOUBLE_BUF):
    cdef char buf[NUM_DOUBLE_BUF + FENCE]

    memset(buf, FENCE_BYTE, sizeof(buf))
    return _taken(buf, cap, num_format_double(buf, cap, value))


def reformat_ld(bytes text, int cap=NUM_LD_HUMAN_BUF):
    """Return the human format of the long double that text stands for."""
    cdef char buf[NUM_LD_HUMAN_BUF + FENCE]
    cdef ld_t value = POISON

    if num_parse_ld(text, len(text), &value) != C_OK:
        if value != POISON:
            raise AssertionError("output changed on failure")
        return None
    memset(buf, FENCE_BYTE, sizeof(buf))
    return _taken(buf, cap, num_format_ld_human(buf, cap, value))


def add_ld(bytes a, bytes b):
    """Return the human format of a sum of long doubles."""
    cdef char buf[NUM_LD_HUMAN_BUF + FENCE]
    cdef ld_t x
    cdef ld_t y

    if (
        num_parse_ld(a, len(a), &x) != C_OK
        or num_parse_ld(b, len(b), &y) != C_OK
    ):
        return None
    memset(buf, FENCE_BYTE, sizeof(buf))
    return _taken(
        buf, NUM_LD_HUMAN_BUF, num_format_ld_human(buf, NUM_LD_HUMAN_BUF, x + y))


# --- pattern -----------------------------------------------------------------

def match(bytes pattern, bytes subject, bint nocase=False):
    return pattern_match(pattern, len(pattern), subject, len(subject), nocase)


def is_literal(bytes pattern):
    return pattern_is_literal(pattern, len(pattern))


# --- xxh3 --------------------------------------------------------------------

def xxh3(bytes data, Py_ssize_t start=0):
    """Hash data from start on, so that words need not be aligned."""
    return xxh3_64(<const char *>data + start, len(data) - start)


# --- sha1 --------------------------------------------------------------------

def sha1(*parts: bytes):
    """Return the digest of the parts put together."""
    cdef sha1_t h
    cdef unsigned char digest[SHA1_NBYTES]
    cdef bytes part

    if len(parts) == 1:
        part = parts[0]
        sha1_at_once(<const char *>part, len(part), digest)
        return digest[:SHA1_NBYTES]
    sha1_init(&h)
    for part in parts:
        sha1_update(&h, <const char *>part, len(part))
    sha1_final(&h, digest)
    return digest[:SHA1_NBYTES]


# --- crc64 -------------------------------------------------------------------

def crc64(*parts: bytes, Py_ssize_t start=0):
    """Return the checksum of the parts put together, each from start on."""
    cdef uint64_t crc = 0
    cdef bytes part

    for part in parts:
        crc = crc64_add(crc, <const char *>part + start, len(part) - start)
    return crc
