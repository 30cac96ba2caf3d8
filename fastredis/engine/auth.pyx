# SPDX-License-Identifier: BSD-3-Clause
"""The default user's password.

It is kept in srv.password, as plain bytes: CONFIG GET requirepass shows it anyway.
Without one (NULL) every password is right.
"""


cdef bint auth_check(
    const server_t *srv, const char *password, size_t nbytes
) noexcept nogil:
    """Return whether the password is right.

    The time depends on nbytes, which the caller knows, and on nothing else: neither
    the length of the right password nor the first difference can be measured.
    """
    cdef const char *right
    cdef size_t cap, diff, i, k = 0
    if srv.password == NULL:
        return True
    right = srv.password.data
    cap = srv.password.len
    diff = cap ^ nbytes
    for i in range(nbytes):
        diff |= <size_t>(<unsigned char>password[i] ^ <unsigned char>right[k])
        # the next byte of the right one, over and over, without a branch
        k = (k + 1) & -<size_t>(k + 1 < cap)
    return diff == 0
