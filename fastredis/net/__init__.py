# SPDX-License-Identifier: BSD-3-Clause
"""L5: listening sockets, the epoll reactor, the transport road."""
