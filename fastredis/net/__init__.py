"""L5: listening sockets, the epoll reactor, the transport road."""
