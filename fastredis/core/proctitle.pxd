# SPDX-License-Identifier: BSD-3-Clause
"""The title of the process, from C. See proctitle.pyx."""

# show another title, if there has been one: for a forked child, which runs no Python
cdef void proctitle_replace(const char *title, size_t nbytes) noexcept nogil
