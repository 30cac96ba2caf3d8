# SPDX-License-Identifier: BSD-3-Clause
r"""The process's hash secret; the hash itself is inline in keyhash.pxd.

The secret is drawn from the system when the module is imported. All words are made
odd, so that none is zero. Tables keep hashes for their life: the secret may be set
(by tests) only before the first table is filled.
"""
from libc.string cimport memcpy


cdef void keyhash_seed_set(const keyseed_t *seed) noexcept nogil:
    """Replace the secret."""
    cdef int i
    for i in range(4):
        keyhash_seed.w[i] = seed.w[i] | 1


def _draw():
    """Set the secret from the system's random source."""
    from os import urandom

    cdef bytes raw = urandom(sizeof(keyseed_t))
    cdef keyseed_t seed
    memcpy(&seed, <const char *>raw, sizeof(keyseed_t))
    keyhash_seed_set(&seed)


_draw()
