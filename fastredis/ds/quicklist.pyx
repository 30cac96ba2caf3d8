# SPDX-License-Identifier: BSD-3-Clause
r"""Quicklist: long lists as a chain of listpacks.

    head -> [lp a b c] <-> [LZF] <-> [LZF] <-> [plain: one large] <-> [lp y z] <- tail
            |  depth |     | may be compressed                  |     | depth |

A node is a listpack of up to `fill` entries or bytes. An element that no listpack could
share with others is a plain node: its bytes, nothing else. With a depth, the nodes
farther than that from both ends are kept compressed, if they are worth it.

Reading a compressed node unpacks a copy for the iterator; nothing else is changed. Who
writes takes over that copy as the node's own, and the node is compressed again when the
iterator leaves it. So a walk over the whole list with few changes packs few nodes.

Nodes that a deletion left small stay small, those that an insertion parted are joined
with their neighbours if they fit.

Invariants (ql_check): no node is empty; count and nnodes are sums; at rest the nodes
within depth of an end are not compressed.

Cost: push and pop O(1); index O(nodes) and one node's walk; insertion a node's move.
Threads: the one that owns the list.    Source: Redis 7.2's quicklist, its behaviour.
"""
from fastredis.core.lzf cimport lzf_compress, lzf_decompress
from fastredis.core.mem cimport zfree, zmalloc, zrealloc, zsize
from fastredis.core.status cimport fr_assert
from fastredis.ds.listpack cimport (
    LP_AFTER,
    LP_BEFORE,
    LP_REPLACE,
    lp_append,
    lp_concat,
    lp_copy,
    lp_delete,
    lp_delete_range,
    lp_entry_max,
    lp_equal,
    lp_first,
    lp_free,
    lp_get,
    lp_insert,
    lp_is_valid,
    lp_last,
    lp_len,
    lp_nbytes,
    lp_new,
    lp_next,
    lp_prepend,
    lp_prev,
    lp_seek,
    lp_shrink,
)
from libc.stdint cimport UINT32_MAX
from libc.string cimport memcmp, memcpy

cdef enum:
    FILL_SMALLEST = 4096        # bytes that -1 stands for; doubled up to -5
    FILL_CLASSES = 5
    SAFE_NBYTES = 8192          # of a node that is limited by its number of entries
    NODE_ROOM = 256             # a new node's first allocation, if it will be filled
    SHARED_NBYTES_MAX = 1 << 29     # larger elements never go into a listpack
    LZF_NBYTES_MIN = 48         # shorter nodes are not compressed
    LZF_GAIN_MIN = 8            # bytes saved, or the node stays as it is


# --- Limits -----------------------------------------------------------------------


cdef inline size_t _fill_nbytes(int fill) noexcept nogil:
    """Return the bytes that a negative fill allows."""
    return <size_t>FILL_SMALLEST << (
        -fill - 1 if fill > -FILL_CLASSES else FILL_CLASSES - 1)


cdef bint ql_exceeds(int fill, size_t nbytes, size_t count) noexcept nogil:
    """Return whether a listpack would be larger than fill allows."""
    if fill < 0:
        return nbytes > _fill_nbytes(fill)
    # as in Redis, zero entries are one
    return nbytes > SAFE_NBYTES or count > <size_t>(fill if fill else 1)


cdef bint ql_is_large(const ql_limits_t *lim, size_t nbytes) noexcept nogil:
    """Return whether an element gets a plain node."""
    if lim.plain_nbytes:
        return nbytes >= min(lim.plain_nbytes, <size_t>SHARED_NBYTES_MAX)
    return nbytes > (_fill_nbytes(lim.fill) if lim.fill < 0 else <size_t>SAFE_NBYTES)


cdef inline bint _has_room(
    const quicklist_t *ql, const ql_node_t *node, size_t nbytes
) noexcept nogil:
    """Return whether an element that is not large fits into a node."""
    return node != NULL and not node.is_plain and not ql_exceeds(
        ql.lim.fill, node.nbytes + lp_entry_max(nbytes), node.count + 1)


# --- Nodes ------------------------------------------------------------------------


cdef ql_node_t *_node_new(uint8_t *data, size_t nbytes, bint is_plain) noexcept nogil:
    """Return an unlinked node; data is consumed, and is not compressed."""
    cdef ql_node_t *node = <ql_node_t *>zmalloc(sizeof(ql_node_t))
    node.prev = NULL
    node.next = NULL
    node.data = data
    node.nbytes = nbytes
    node.count = 1 if is_plain else <uint32_t>lp_len(data)
    node.lzf_nbytes = 0
    node.is_plain = is_plain
    return node


cdef ql_node_t *_node_of(
    const quicklist_t *ql, const char *s, size_t nbytes
) noexcept nogil:
    """Return an unlinked node with one element."""
    cdef uint8_t *data
    if ql_is_large(&ql.lim, nbytes):
        data = <uint8_t *>zmalloc(nbytes + (nbytes == 0))
        memcpy(data, s, nbytes)
        return _node_new(data, nbytes, True)
    data = lp_new(0 if ql.lim.fill >= 0 else NODE_ROOM)
    data = lp_append(data, s, nbytes)
    return _node_new(data, lp_nbytes(data), False)


cdef void _node_free(ql_node_t *node) noexcept nogil:
    zfree(node.data)
    zfree(node)


cdef uint8_t *_unpacked(const ql_node_t *node) noexcept nogil:
    """Return a copy of what a compressed node holds."""
    cdef uint8_t *data = <uint8_t *>zmalloc(node.nbytes)
    fr_assert(lzf_decompress(
        node.data, node.lzf_nbytes, data, node.nbytes) == node.nbytes)
    return data


cdef void _unpack(ql_node_t *node) noexcept nogil:
    """Keep a node's data as they are."""
    cdef uint8_t *data
    if node.lzf_nbytes == 0:
        return
    data = _unpacked(node)
    zfree(node.data)
    node.data = data
    node.lzf_nbytes = 0


cdef void _pack(ql_node_t *node) noexcept nogil:
    """Compress a node's data, if it is worth it."""
    cdef uint8_t *out
    cdef size_t n
    if node.lzf_nbytes or node.nbytes < LZF_NBYTES_MIN or node.nbytes >= UINT32_MAX:
        return
    out = <uint8_t *>zmalloc(node.nbytes)
    n = lzf_compress(node.data, node.nbytes, out, node.nbytes - LZF_GAIN_MIN)
    if n == 0:
        zfree(out)
        return
    zfree(node.data)
    node.data = <uint8_t *>zrealloc(out, n)
    node.lzf_nbytes = <uint32_t>n


cdef void _settle(quicklist_t *ql, ql_node_t *node) noexcept nogil:
    """Pack and unpack as the depth asks, after a change at node (NULL: anywhere).

    The nodes near the ends are looked at, the first beyond them, and the one given.
    """
    cdef ql_node_t *a = ql.head
    cdef ql_node_t *b = ql.tail
    cdef bint is_inner = node != NULL
    if ql.lim.depth <= 0 or a == NULL:
        return
    for _ in range(ql.lim.depth):
        _unpack(a)
        _unpack(b)
        if a == node or b == node:
            is_inner = False
        if a == b or a.next == b:
            return
        a = a.next
        b = b.prev
    if is_inner:
        _pack(node)
    _pack(a)
    _pack(b)


cdef void _link(
    quicklist_t *ql, ql_node_t *prev, ql_node_t *node, ql_node_t *next_
) noexcept nogil:
    """Put a node between two neighbours; NULL: there is none."""
    node.prev = prev
    node.next = next_
    if prev == NULL:
        ql.head = node
    else:
        prev.next = node
    if next_ == NULL:
        ql.tail = node
    else:
        next_.prev = node
    ql.nnodes += 1
    ql.count += node.count


cdef void _unlink(quicklist_t *ql, ql_node_t *node) noexcept nogil:
    """Take a node out and free it."""
    if node.prev == NULL:
        ql.head = node.next
    else:
        node.prev.next = node.next
    if node.next == NULL:
        ql.tail = node.prev
    else:
        node.next.prev = node.prev
    ql.nnodes -= 1
    ql.count -= node.count
    _node_free(node)


cdef inline void _store(ql_node_t *node, uint8_t *lp) noexcept nogil:
    """Note where a node's listpack is after a change, and how large."""
    node.data = lp
    node.nbytes = lp_nbytes(lp)


cdef inline void _trim(ql_node_t *node) noexcept nogil:
    """Give back room once most of it is unused."""
    if node.is_plain or node.lzf_nbytes:
        return
    if node.nbytes * 2 < zsize(node.data):
        node.data = lp_shrink(node.data)


# --- Whole lists ------------------------------------------------------------------


cdef quicklist_t *ql_new(const ql_limits_t *lim) noexcept nogil:
    """Return an empty list."""
    cdef quicklist_t *ql = <quicklist_t *>zmalloc(sizeof(quicklist_t))
    ql.head = NULL
    ql.tail = NULL
    ql.count = 0
    ql.nnodes = 0
    ql.lim = lim[0]
    return ql


cdef void ql_free(quicklist_t *ql) noexcept nogil:
    """Free the list and its nodes."""
    cdef ql_node_t *node
    cdef ql_node_t *following
    if ql == NULL:
        return
    node = ql.head
    while node != NULL:
        following = node.next
        _node_free(node)
        node = following
    zfree(ql)


cdef quicklist_t *ql_copy(const quicklist_t *ql) noexcept nogil:
    """Return a copy, compressed where the original is."""
    cdef quicklist_t *made = ql_new(&ql.lim)
    cdef const ql_node_t *node = ql.head
    cdef ql_node_t *copy
    cdef size_t n
    while node != NULL:
        copy = <ql_node_t *>zmalloc(sizeof(ql_node_t))
        copy[0] = node[0]
        n = node.lzf_nbytes if node.lzf_nbytes else node.nbytes
        copy.data = <uint8_t *>zmalloc(n + (n == 0))
        memcpy(copy.data, node.data, n)
        _link(made, made.tail, copy, NULL)
        node = node.next
    return made


cdef quicklist_t *ql_from_listpack(
    uint8_t *lp, const ql_limits_t *lim
) noexcept nogil:
    """Return a list with the entries of a listpack, which is consumed."""
    cdef quicklist_t *ql = ql_new(lim)
    if lp_first(lp) == NULL:
        lp_free(lp)
    else:
        _link(ql, NULL, _node_new(lp, lp_nbytes(lp), False), NULL)
    return ql


cdef uint8_t *ql_into_listpack(quicklist_t *ql) noexcept nogil:
    """Return the one node's listpack; the list is freed."""
    cdef uint8_t *lp
    fr_assert(ql.nnodes == 1 and not ql.head.is_plain)
    _unpack(ql.head)
    lp = ql.head.data
    ql.head.data = NULL
    ql_free(ql)
    return lp


cdef size_t ql_nbytes(const quicklist_t *ql, size_t samples) noexcept nogil:
    """Return the bytes of memory; with samples, that many nodes stand for all."""
    cdef const ql_node_t *node = ql.head
    cdef size_t total = 0, n = 0
    while node != NULL and (samples == 0 or n < samples):
        total += zsize(node) + zsize(node.data)
        n += 1
        node = node.next
    if n:
        total = <size_t>(<double>total / n * ql.nnodes)
    return total + zsize(ql)


# --- Push and delete --------------------------------------------------------------


cdef void ql_push(
    quicklist_t *ql, const char *s, size_t nbytes, ql_end_t end
) noexcept nogil:
    """Add an element at one end."""
    cdef ql_node_t *node = ql.tail if end == QL_TAIL else ql.head
    if not ql_is_large(&ql.lim, nbytes) and _has_room(ql, node, nbytes):
        if node.lzf_nbytes:         # only if the depth was changed meanwhile
            _unpack(node)
        if end == QL_TAIL:
            _store(node, lp_append(node.data, s, nbytes))
        else:
            _store(node, lp_prepend(node.data, s, nbytes))
        node.count += 1
        ql.count += 1
        return
    node = _node_of(ql, s, nbytes)
    if end == QL_TAIL:
        _link(ql, ql.tail, node, NULL)
    else:
        _link(ql, NULL, node, ql.head)
    _settle(ql, NULL)


cdef void ql_delete_range(quicklist_t *ql, size_t index, size_t count) noexcept nogil:
    """Remove elements: whole nodes at once, listpacks at either end of the range."""
    cdef ql_node_t *node = ql.head
    cdef ql_node_t *following
    cdef size_t n
    if index >= ql.count or count == 0:
        return
    if count > ql.count - index:
        count = ql.count - index
    if index <= ql.count // 2:
        while index >= node.count:
            index -= node.count
            node = node.next
    else:
        node = ql.tail
        n = ql.count - node.count       # elements before it
        while index < n:
            node = node.prev
            n -= node.count
        index -= n
    while count:
        following = node.next
        n = min(count, node.count - index)
        if n == node.count:
            _unlink(ql, node)
        else:
            _unpack(node)
            _store(node, lp_delete_range(node.data, <int64_t>index, n))
            node.count -= <uint32_t>n
            ql.count -= n
            _trim(node)
            _settle(ql, node)
        index = 0
        count -= n
        node = following
    _settle(ql, NULL)


# --- Iterate ----------------------------------------------------------------------


cdef inline void _enter(ql_iter_t *it, ql_node_t *node) noexcept nogil:
    """Come to a node; the entry is to be chosen."""
    it.node = node
    it.copy = NULL
    it.is_opened = False
    it.p = NULL
    if node.lzf_nbytes:
        it.copy = _unpacked(node)
        it.lp = it.copy
    else:
        it.lp = node.data


cdef inline void _leave(ql_iter_t *it) noexcept nogil:
    """Drop the copy of a node, or compress the node again."""
    if it.copy != NULL:
        zfree(it.copy)
        it.copy = NULL
    elif it.is_opened:
        it.is_opened = False
        _settle(it.ql, it.node)


cdef void _own(ql_iter_t *it) noexcept nogil:
    """Make the unpacked copy the node's own, to write to it."""
    if it.copy == NULL:
        return
    zfree(it.node.data)
    it.node.data = it.copy
    it.node.lzf_nbytes = 0
    it.copy = NULL
    it.is_opened = True


cdef bint ql_seek(quicklist_t *ql, int64_t index, ql_iter_t *it) noexcept nogil:
    """Begin at an element, counted from the nearer end."""
    cdef int64_t n = <int64_t>ql.count
    cdef ql_node_t *node
    it.ql = ql
    it.node = NULL
    it.lp = NULL
    it.p = NULL
    it.copy = NULL
    it.is_opened = False
    if index < 0:
        index += n
    if index < 0 or index >= n:
        return False
    if index <= n // 2:
        node = ql.head
        while index >= node.count:
            index -= node.count
            node = node.next
    else:
        node = ql.tail
        n -= node.count
        while index < n:
            node = node.prev
            n -= node.count
        index -= n
    _enter(it, node)
    if not node.is_plain:
        it.p = lp_seek(it.lp, index)
    return True


cdef void ql_end(ql_iter_t *it) noexcept nogil:
    """Close the iterator; it may be closed already."""
    if it.node == NULL:
        return
    _leave(it)
    it.node = NULL


cdef bint _to_node(ql_iter_t *it, ql_node_t *node, bint is_forward) noexcept nogil:
    """Go to the first or last element of a node, or past the end."""
    if node == NULL:
        it.node = NULL
        return False
    _enter(it, node)
    if not node.is_plain:
        it.p = lp_first(it.lp) if is_forward else lp_last(it.lp)
    return True


cdef bint ql_move(ql_iter_t *it, bint is_forward) noexcept nogil:
    """Go to the next or the previous element."""
    cdef ql_node_t *node
    if it.p != NULL:
        it.p = lp_next(it.lp, it.p) if is_forward else lp_prev(it.lp, it.p)
        if it.p != NULL:
            return True
    _leave(it)
    node = it.node.next if is_forward else it.node.prev
    return _to_node(it, node, is_forward)


cdef void ql_get(const ql_iter_t *it, lp_value_t *value_out) noexcept nogil:
    """Read the element."""
    if it.p != NULL:
        lp_get(it.p, value_out)
        return
    value_out.ptr = <const char *>it.lp
    value_out.len = it.node.nbytes
    value_out.num = 0


cdef bint ql_equal(const ql_iter_t *it, const char *s, size_t nbytes) noexcept nogil:
    """Return whether the element has this value."""
    if it.p != NULL:
        return lp_equal(it.p, s, nbytes)
    return it.node.nbytes == nbytes and memcmp(it.lp, s, nbytes) == 0


cdef bint ql_delete(ql_iter_t *it, bint is_forward) noexcept nogil:
    """Remove the element and go on."""
    cdef ql_node_t *node = it.node
    cdef ql_node_t *following = node.next if is_forward else node.prev
    cdef uint8_t *p = NULL
    if node.count == 1:
        zfree(it.copy)
        it.copy = NULL
        _unlink(it.ql, node)
        _settle(it.ql, NULL)
        return _to_node(it, following, is_forward)
    _own(it)
    _store(node, lp_delete(node.data, it.p, &p))
    node.count -= 1
    it.ql.count -= 1
    if not is_forward:
        p = lp_last(node.data) if p == NULL else lp_prev(node.data, p)
    it.lp = node.data
    it.p = p
    if p != NULL:
        return True
    _trim(node)
    _leave(it)
    return _to_node(it, following, is_forward)


# --- Insert and replace -----------------------------------------------------------


cdef bint _join(quicklist_t *ql, ql_node_t *a, ql_node_t *b) noexcept nogil:
    """Put b's elements behind those of a, the node before it, if they fit."""
    if a == NULL or b == NULL or a.is_plain or b.is_plain or ql_exceeds(
            ql.lim.fill, a.nbytes + b.nbytes, a.count + b.count):
        return False
    _unpack(a)
    _unpack(b)
    _store(a, lp_concat(a.data, b.data))
    a.count += b.count
    ql.count += b.count
    _unlink(ql, b)
    return True


cdef ql_node_t *_part(
    quicklist_t *ql, ql_node_t *node, size_t index
) noexcept nogil:
    """Move the elements from a number on, which are not all, to a new node; return it.

    The node is not compressed.
    """
    cdef uint8_t *rest = lp_shrink(lp_delete_range(lp_copy(node.data), 0, index))
    cdef ql_node_t *made = _node_new(rest, lp_nbytes(rest), False)
    _store(node, lp_delete_range(node.data, <int64_t>index, node.count - index))
    ql.count -= made.count
    node.count -= made.count
    _trim(node)
    _link(ql, node, made, node.next)
    return made


cdef size_t _number(const ql_iter_t *it) noexcept nogil:
    """Return how many entries of the node come before the current one."""
    cdef const uint8_t *p = it.p
    cdef size_t n = 0
    while True:
        p = lp_prev(it.lp, p)
        if p == NULL:
            return n
        n += 1


cdef void ql_insert(
    ql_iter_t *it, const char *s, size_t nbytes, bint is_after
) noexcept nogil:
    """Insert a value before or after the element."""
    cdef quicklist_t *ql = it.ql
    cdef ql_node_t *node = it.node
    cdef ql_node_t *made
    cdef ql_node_t *beside
    cdef bint is_large = ql_is_large(&ql.lim, nbytes)
    cdef bint is_edge = node.is_plain
    if not is_edge:
        is_edge = (lp_next(it.lp, it.p) if is_after else lp_prev(it.lp, it.p)) == NULL
    if not is_large and _has_room(ql, node, nbytes):
        _own(it)
        _store(node, lp_insert(
            node.data, s, nbytes, it.p, LP_AFTER if is_after else LP_BEFORE, NULL))
        node.count += 1
        ql.count += 1
        _settle(ql, node)
        it.node = NULL
        return
    if is_edge:
        beside = node.next if is_after else node.prev
        ql_end(it)
        if not is_large and _has_room(ql, beside, nbytes):
            _unpack(beside)
            if is_after:
                _store(beside, lp_prepend(beside.data, s, nbytes))
            else:
                _store(beside, lp_append(beside.data, s, nbytes))
            beside.count += 1
            ql.count += 1
            _settle(ql, beside)
            return
        made = _node_of(ql, s, nbytes)
        if is_after:
            _link(ql, node, made, node.next)
        else:
            _link(ql, node.prev, made, node)
        _settle(ql, made)
        return
    # in the middle: part the node, the new element between its halves
    _own(it)
    beside = _part(ql, node, _number(it) + is_after)
    it.node = NULL
    made = _node_of(ql, s, nbytes)
    _link(ql, node, made, beside)
    if _join(ql, node, made):
        made = node
    elif _join(ql, made, beside):
        beside = made
    # halves that are small enough go to the neighbours
    made = node.prev
    if _join(ql, made, node):
        node = made
    _join(ql, beside, beside.next)
    while True:
        _settle(ql, node)
        if node == beside:
            return
        node = node.next


cdef void ql_replace(ql_iter_t *it, const char *s, size_t nbytes) noexcept nogil:
    """Replace the element by a value."""
    cdef quicklist_t *ql = it.ql
    cdef ql_node_t *node = it.node
    cdef bint is_large = ql_is_large(&ql.lim, nbytes)
    cdef ql_node_t *made
    if node.is_plain or node.count == 1:
        # the only element of its node: a new node in its place
        zfree(it.copy)
        it.copy = NULL
        made = _node_of(ql, s, nbytes)
        _link(ql, node, made, node.next)
        _unlink(ql, node)
        it.node = NULL
        node = made.prev
        if _join(ql, node, made):
            made = node
        else:
            _join(ql, made, made.next)
        _settle(ql, made)
        return
    if not is_large and not ql_exceeds(
            ql.lim.fill, node.nbytes + lp_entry_max(nbytes), node.count):
        _own(it)
        _store(node, lp_insert(node.data, s, nbytes, it.p, LP_REPLACE, NULL))
        it.node = NULL
        _trim(node)
        _settle(ql, node)
        return
    # it does not fit into the node: insert it, then remove the old one
    _own(it)
    if lp_next(node.data, it.p) != NULL:
        _part(ql, node, _number(it) + 1)
    _store(node, lp_delete(node.data, lp_last(node.data), NULL))
    node.count -= 1
    ql.count -= 1
    it.node = NULL
    made = _node_of(ql, s, nbytes)
    _link(ql, node, made, node.next)
    if node.count == 0:
        _unlink(ql, node)
        node = NULL
    _join(ql, made, made.next)
    _settle(ql, made)
    if made.next != NULL:
        _settle(ql, made.next)
    if node != NULL:
        _settle(ql, node)


# --- Check ------------------------------------------------------------------------


cdef void ql_check(const quicklist_t *ql) noexcept nogil:
    """Walk every invariant."""
    cdef const ql_node_t *node = ql.head
    cdef const ql_node_t *prev = NULL
    cdef size_t nnodes = 0, count = 0
    cdef size_t depth = ql.lim.depth
    cdef uint8_t *lp
    while node != NULL:
        fr_assert(node.prev == prev)
        fr_assert(node.count > 0)
        if node.lzf_nbytes:
            fr_assert(nnodes >= depth and nnodes + depth < ql.nnodes)
            lp = _unpacked(node)
        else:
            lp = node.data
        if node.is_plain:
            fr_assert(node.count == 1)
        else:
            fr_assert(lp_is_valid(lp, node.nbytes))
            fr_assert(lp_len(lp) == node.count)
        if node.lzf_nbytes:
            zfree(lp)
        nnodes += 1
        count += node.count
        prev = node
        node = node.next
    fr_assert(prev == ql.tail)
    fr_assert(nnodes == ql.nnodes)
    fr_assert(count == ql.count)
