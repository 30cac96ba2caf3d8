/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The least a server over TCP can do on this machine: for each request one canned reply.
 * It parses nothing, knows no command, keeps no key, counts nothing; what it costs is
 * the kernel's share. Requests are counted by their '*', which must be nowhere else.
 *
 *   floor PORT REPLY_BYTES NAP_US
 *
 * REPLY_BYTES  0: +OK; n: a bulk string of n bytes; -1: the number :1
 * NAP_US       sleep this long before a turn, as fastredis does (coalesce-us), so that
 *              more clients have something to say at each
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { MOST_READY = 128, MOST_REPLIES = 1024, BUFFER = 1 << 18 };

static char buffer[BUFFER];

static void check(long result, const char *what) {
    if (result >= 0) return;
    perror(what);
    exit(1);
}

/* Send what is missing, though the socket may be full; the client always reads on. */
static void send_replies(int fd, const char *reply, size_t size, long count) {
    struct iovec parts[MOST_REPLIES];
    struct msghdr message = {.msg_iov = parts};
    while (count > 0) {
        long n = count < MOST_REPLIES ? count : MOST_REPLIES, first = 0;
        for (long i = 0; i < n; i++) parts[i] = (struct iovec){(void *)reply, size};
        count -= n;
        while (first < n) {
            message.msg_iov = parts + first;
            message.msg_iovlen = n - first;
            ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
            if (sent < 0) return; /* gone */
            while (first < n && (size_t)sent >= parts[first].iov_len)
                sent -= parts[first++].iov_len;
            if (first < n) {
                parts[first].iov_base = (char *)parts[first].iov_base + sent;
                parts[first].iov_len -= sent;
            }
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    long nbytes = atol(argv[2]);
    struct timespec nap = {0, atol(argv[3]) * 1000};
    char *reply = malloc((nbytes > 0 ? nbytes : 0) + 64);
    size_t size = 0;
    if (nbytes == 0) {
        size = sprintf(reply, "+OK\r\n");
    } else if (nbytes < 0) {
        size = sprintf(reply, ":1\r\n");
    } else {
        size = sprintf(reply, "$%ld\r\n", nbytes);
        memset(reply + size, 'x', nbytes);
        size += nbytes;
        size += sprintf(reply + size, "\r\n");
    }
    /* small replies that follow one another are one piece, as in any server */
    size_t run = size < 1024 ? 64 : 1;
    char *replies = malloc(size * run);
    for (size_t i = 0; i < run; i++) memcpy(replies + i * size, reply, size);

    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0), epoll = epoll_create1(0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check(listener, "socket");
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    check(bind(listener, (struct sockaddr *)&address, sizeof address), "bind");
    check(listen(listener, 511), "listen");
    prctl(PR_SET_TIMERSLACK, 1);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, ready[MOST_READY];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        if (nap.tv_nsec) clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
        int n = epoll_wait(epoll, ready, MOST_READY, -1);
        for (int i = 0; i < n; i++) {
            int fd = ready[i].data.fd;
            if (fd == listener) {
                fd = accept(listener, NULL, NULL);
                if (fd < 0) continue;
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                event = (struct epoll_event){.events = EPOLLIN | EPOLLET, .data.fd = fd};
                epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
                continue;
            }
            ssize_t got = recv(fd, buffer, BUFFER, MSG_DONTWAIT);
            if (got <= 0) {
                close(fd);
                continue;
            }
            long count = 0;
            for (const char *p = buffer, *end = buffer + got;
                 (p = memchr(p, '*', end - p)) != NULL; p++)
                count++;
            send_replies(fd, replies, size * run, count / run);
            if (count % run) send_replies(fd, replies, size * (count % run), 1);
        }
    }
}
