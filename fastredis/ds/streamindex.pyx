# SPDX-License-Identifier: BSD-3-Clause
r"""Map from 128-bit ids to pointers: a high-fanout tree for ids that mostly only grow.

    inner node                       t.root
    +---+-------------+-------------------+
    | n | ids  0  40  | children  c0  c1  |     ids[i]: no id below child i is smaller,
    +---+-------------+------------|---|--+     except in the leftmost child
                   .---------------'   '---.
                   v                       v
    leaf  +------------------+     +------------------+
          | (id, value) * 41 | <-> | (id, value) * 41 |     t.first ... t.last
          +------------------+     +------------------+

The nodes of a stream are in one, under the ids of their first entries, and so are the
entries that a consumer group or a consumer has not acknowledged. Such ids are added at
the end and removed near the front, or anywhere.

Adding at the end takes no search, and leaves behind full leaves: the new one starts
with the new entry alone. Elsewhere a full leaf gives half to a new one. A leaf that is
a third full is joined with a neighbour if both fit into five sixths of one. An index of
up to LEAF_CAP entries is one leaf, which has room for 2, 4, 8, ... of them.

Invariants: ids increase strictly; no leaf and no inner node is empty; all leaves are
equally deep; prev and next link them in order.

Cost: append O(1), others O(log n): 41 entries a leaf and 64 children a node, so three
levels reach 160,000 entries and four 10 million. 24 bytes an entry in full leaves.
Threads: none; an index that nobody else uses may be freed on another.
Source: Comer, "The Ubiquitous B-Tree", 1979.
"""
from fastredis.core.mem cimport zfree, zmalloc, zrealloc, zsize
from fastredis.core.status cimport fr_assert
from libc.string cimport memcpy, memmove

cdef enum:
    LEAF_CAP = 41               # 24 + 41 * 24 bytes: 1008, of 1024
    LEAF_CAP_MIN = 2
    INNER_CAP = 64
    HEIGHT_MAX = 12             # 64**10 leaves: more than memory
    # joined when one is a third full and both take five sixths: neither a split nor
    # another join follows at once
    LEAF_FEW = LEAF_CAP // 3
    LEAF_JOINED_MAX = LEAF_CAP * 5 // 6
    INNER_FEW = INNER_CAP // 3
    INNER_JOINED_MAX = INNER_CAP * 5 // 6

cdef struct inner_t:
    uint16_t n
    sid_t ids[INNER_CAP]
    void *children[INNER_CAP]

# The way from the root to a leaf.
cdef struct path_t:
    inner_t *nodes[HEIGHT_MAX]  # nodes[0] is the root
    unsigned int slots[HEIGHT_MAX]
    sidx_leaf_t *leaf


# --- Nodes ------------------------------------------------------------------------


cdef void sidx_init(sidx_t *t) noexcept nogil:
    """Begin an empty index."""
    t.root = NULL
    t.first = t.last = NULL
    t.len = 0
    t.height = 0


cdef inline size_t _leaf_nbytes(unsigned int cap) noexcept nogil:
    return sizeof(sidx_leaf_t) + (cap - 1) * sizeof(sidx_entry_t)


cdef sidx_leaf_t *_leaf_new(unsigned int cap) noexcept nogil:
    cdef sidx_leaf_t *leaf = <sidx_leaf_t *>zmalloc(_leaf_nbytes(cap))
    leaf.n = 0
    leaf.cap = cap
    leaf.prev = leaf.next = NULL
    return leaf


cdef void _inner_free(void *node, int height) noexcept nogil:
    """Free the inner nodes from one on down; leaves stay."""
    cdef inner_t *inner = <inner_t *>node
    cdef unsigned int i
    if height == 0:
        return
    for i in range(inner.n):
        _inner_free(inner.children[i], height - 1)
    zfree(inner)


cdef void sidx_clear(sidx_t *t, sidx_free_fn free_value) noexcept nogil:
    """Free everything."""
    cdef sidx_leaf_t *leaf = t.first
    cdef sidx_leaf_t *following
    cdef unsigned int i
    if t.root != NULL:
        _inner_free(t.root, t.height)
    while leaf != NULL:
        following = leaf.next
        if free_value != NULL:
            for i in range(leaf.n):
                free_value(leaf.entries[i].value)
        zfree(leaf)
        leaf = following
    sidx_init(t)


# --- Search -----------------------------------------------------------------------


cdef inline unsigned int _inner_slot(const inner_t *node, sid_t id) noexcept nogil:
    """Return the child under which an id is, or would be."""
    cdef unsigned int low = 1, high = node.n, mid
    while low < high:
        mid = (low + high) >> 1
        if sid_cmp(node.ids[mid], id) <= 0:
            low = mid + 1
        else:
            high = mid
    return low - 1


cdef inline unsigned int _leaf_slot(const sidx_leaf_t *leaf, sid_t id) noexcept nogil:
    """Return the first entry at or behind an id, or n."""
    cdef unsigned int low = 0, high = leaf.n, mid
    while low < high:
        mid = (low + high) >> 1
        if sid_cmp(leaf.entries[mid].id, id) < 0:
            low = mid + 1
        else:
            high = mid
    return low


cdef inline sidx_leaf_t *_leaf_of(const sidx_t *t, sid_t id) noexcept nogil:
    cdef void *node = t.root
    cdef int h = t.height
    # most of what is looked for lies at one of the ends
    if sid_cmp(t.last.entries[0].id, id) <= 0:
        return t.last
    while h:
        node = (<inner_t *>node).children[_inner_slot(<inner_t *>node, id)]
        h -= 1
    return <sidx_leaf_t *>node


cdef bint sidx_seek(const sidx_t *t, sid_t id, sidx_pos_t *pos) noexcept nogil:
    """Find the first entry that is not before an id."""
    if t.root == NULL:
        pos.leaf = NULL
        return False
    pos.leaf = _leaf_of(t, id)
    pos.i = _leaf_slot(pos.leaf, id)
    if pos.i == pos.leaf.n:
        pos.leaf = pos.leaf.next
        pos.i = 0
    return pos.leaf != NULL


cdef bint sidx_seek_back(const sidx_t *t, sid_t id, sidx_pos_t *pos) noexcept nogil:
    """Find the last entry that is not behind an id."""
    if t.root == NULL:
        pos.leaf = NULL
        return False
    pos.leaf = _leaf_of(t, id)
    pos.i = _leaf_slot(pos.leaf, id)
    if pos.i < pos.leaf.n and sid_cmp(pos.leaf.entries[pos.i].id, id) == 0:
        return True
    return sidx_prev(pos)


cdef void *sidx_find(const sidx_t *t, sid_t id) noexcept nogil:
    """Return what is stored under an id."""
    cdef sidx_leaf_t *leaf
    cdef unsigned int i
    if t.root == NULL:
        return NULL
    leaf = _leaf_of(t, id)
    i = _leaf_slot(leaf, id)
    if i < leaf.n and sid_cmp(leaf.entries[i].id, id) == 0:
        return leaf.entries[i].value
    return NULL


cdef void _descend(const sidx_t *t, sid_t id, path_t *path) noexcept nogil:
    """Find the leaf of an id and the way there."""
    cdef void *node = t.root
    cdef int d
    for d in range(t.height):
        path.nodes[d] = <inner_t *>node
        path.slots[d] = _inner_slot(path.nodes[d], id)
        node = path.nodes[d].children[path.slots[d]]
    path.leaf = <sidx_leaf_t *>node


# --- Insert -----------------------------------------------------------------------


cdef void _add_child(
    sidx_t *t, path_t *path, sid_t first, void *child
) noexcept nogil:
    """Enter a new node behind the one that the path goes through, on each level."""
    cdef int d = t.height - 1
    cdef inner_t *node
    cdef inner_t *right
    cdef inner_t *root
    cdef unsigned int at, half
    while d >= 0:
        node = path.nodes[d]
        at = path.slots[d] + 1
        right = NULL
        if node.n == INNER_CAP:
            right = <inner_t *>zmalloc(sizeof(inner_t))
            # at the right end the old node stays full, elsewhere each gets a half
            half = INNER_CAP if at == INNER_CAP else INNER_CAP // 2
            right.n = INNER_CAP - half
            memcpy(right.ids, node.ids + half, right.n * sizeof(sid_t))
            memcpy(right.children, node.children + half, right.n * sizeof(void *))
            node.n = half
            if at > half or half == INNER_CAP:
                at -= half
                node = right
        memmove(node.ids + at + 1, node.ids + at, (node.n - at) * sizeof(sid_t))
        memmove(
            node.children + at + 1, node.children + at,
            (node.n - at) * sizeof(void *))
        node.ids[at] = first
        node.children[at] = child
        node.n += 1
        if right == NULL:
            return
        first = right.ids[0]
        child = right
        d -= 1
    fr_assert(t.height < HEIGHT_MAX)
    root = <inner_t *>zmalloc(sizeof(inner_t))
    root.n = 2
    root.ids[0].ms = root.ids[0].seq = 0    # never compared
    root.ids[1] = first
    root.children[0] = t.root
    root.children[1] = child
    t.root = root
    t.height += 1


cdef sidx_leaf_t *_grow_root(sidx_t *t) noexcept nogil:
    """Give the only leaf twice its room."""
    cdef unsigned int cap = t.first.cap * 2
    cdef sidx_leaf_t *leaf
    if cap > LEAF_CAP:
        cap = LEAF_CAP
    leaf = <sidx_leaf_t *>zrealloc(t.root, _leaf_nbytes(cap))
    leaf.cap = cap
    t.root = t.first = t.last = leaf
    return leaf


cdef sidx_leaf_t *_split(
    sidx_t *t, path_t *path, unsigned int keep
) noexcept nogil:
    """Move the entries of a full leaf from keep on into a new one behind it.

    keep == n: the new leaf is empty; its first id is then to be entered by the caller.
    """
    cdef sidx_leaf_t *leaf = path.leaf
    cdef sidx_leaf_t *right = _leaf_new(LEAF_CAP)
    right.n = leaf.n - keep
    memcpy(right.entries, leaf.entries + keep, right.n * sizeof(sidx_entry_t))
    leaf.n = keep
    right.prev = leaf
    right.next = leaf.next
    leaf.next = right
    if right.next != NULL:
        right.next.prev = right
    else:
        t.last = right
    return right


cdef bint sidx_insert(sidx_t *t, sid_t id, void *value) noexcept nogil:
    """Add an entry."""
    cdef path_t path
    cdef sidx_leaf_t *leaf = t.last
    cdef sidx_leaf_t *right
    cdef unsigned int i
    if leaf == NULL:
        leaf = _leaf_new(LEAF_CAP_MIN)
        t.root = t.first = t.last = leaf
        t.height = 0
        i = 0
    else:
        if sid_cmp(leaf.entries[leaf.n - 1].id, id) < 0:
            i = leaf.n
            if i == LEAF_CAP:
                _descend(t, id, &path)
        else:
            _descend(t, id, &path)
            leaf = path.leaf
            i = _leaf_slot(leaf, id)
            if i < leaf.n and sid_cmp(leaf.entries[i].id, id) == 0:
                return False
        if leaf.n == leaf.cap:
            if leaf.cap < LEAF_CAP:
                leaf = _grow_root(t)
            elif i == leaf.n and leaf.next == NULL:
                leaf = _split(t, &path, leaf.n)
                i = 0
                _add_child(t, &path, id, leaf)
            else:
                right = _split(t, &path, LEAF_CAP // 2)
                _add_child(t, &path, right.entries[0].id, right)
                if i > leaf.n:
                    i -= leaf.n
                    leaf = right
    memmove(
        leaf.entries + i + 1, leaf.entries + i,
        (leaf.n - i) * sizeof(sidx_entry_t))
    leaf.entries[i].id = id
    leaf.entries[i].value = value
    leaf.n += 1
    t.len += 1
    return True


# --- Remove -----------------------------------------------------------------------


cdef void _drop_child(sidx_t *t, path_t *path, int d, unsigned int at) noexcept nogil:
    """Take a child out of the node on level d of the path, and join small nodes."""
    cdef inner_t *node
    cdef inner_t *parent
    cdef inner_t *left
    cdef inner_t *right
    cdef unsigned int slot
    while True:
        node = path.nodes[d]
        node.n -= 1
        memmove(node.ids + at, node.ids + at + 1, (node.n - at) * sizeof(sid_t))
        memmove(
            node.children + at, node.children + at + 1,
            (node.n - at) * sizeof(void *))
        if d == 0:
            # a root with one child is no use
            while t.height and (<inner_t *>t.root).n == 1:
                node = <inner_t *>t.root
                t.root = node.children[0]
                t.height -= 1
                zfree(node)
            return
        if node.n > INNER_FEW:
            return
        parent = path.nodes[d - 1]
        slot = path.slots[d - 1]
        if node.n == 0:
            zfree(node)
            at = slot
            d -= 1
            continue
        if slot + 1 < parent.n:
            left = node
            at = slot + 1
            right = <inner_t *>parent.children[at]
        elif slot:
            at = slot
            left = <inner_t *>parent.children[slot - 1]
            right = node
        else:
            return
        if left.n + right.n > INNER_JOINED_MAX:
            return
        # the first id of a leftmost child is not kept up to date: its parent's is
        right.ids[0] = parent.ids[at]
        memcpy(left.ids + left.n, right.ids, right.n * sizeof(sid_t))
        memcpy(left.children + left.n, right.children, right.n * sizeof(void *))
        left.n += right.n
        zfree(right)
        d -= 1


cdef void _unlink(sidx_t *t, sidx_leaf_t *leaf) noexcept nogil:
    """Take a leaf out of the chain and free it."""
    if leaf.prev != NULL:
        leaf.prev.next = leaf.next
    else:
        t.first = leaf.next
    if leaf.next != NULL:
        leaf.next.prev = leaf.prev
    else:
        t.last = leaf.prev
    zfree(leaf)


cdef void _settle_leaf(sidx_t *t, path_t *path) noexcept nogil:
    """Drop the path's leaf if it is empty, or join it with a neighbour."""
    cdef sidx_leaf_t *left = path.leaf
    cdef sidx_leaf_t *right
    cdef inner_t *parent
    cdef int d = t.height - 1
    cdef unsigned int slot
    if d < 0:
        if left.n == 0:
            zfree(left)
            sidx_init(t)
        return
    slot = path.slots[d]
    parent = path.nodes[d]
    if left.n == 0:
        _unlink(t, left)
        _drop_child(t, path, d, slot)
        return
    if slot + 1 < parent.n:
        slot += 1
        right = <sidx_leaf_t *>parent.children[slot]
    elif slot:
        right = left
        left = <sidx_leaf_t *>parent.children[slot - 1]
    else:
        return
    if left.n + right.n > LEAF_JOINED_MAX:
        return
    memcpy(left.entries + left.n, right.entries, right.n * sizeof(sidx_entry_t))
    left.n += right.n
    _unlink(t, right)
    _drop_child(t, path, d, slot)


cdef void *sidx_remove(sidx_t *t, sid_t id) noexcept nogil:
    """Remove an entry."""
    cdef path_t path
    cdef sidx_leaf_t *leaf
    cdef unsigned int i
    cdef void *value
    if t.root == NULL:
        return NULL
    _descend(t, id, &path)
    leaf = path.leaf
    i = _leaf_slot(leaf, id)
    if i == leaf.n or sid_cmp(leaf.entries[i].id, id) != 0:
        return NULL
    value = leaf.entries[i].value
    leaf.n -= 1
    memmove(
        leaf.entries + i, leaf.entries + i + 1,
        (leaf.n - i) * sizeof(sidx_entry_t))
    t.len -= 1
    if leaf.n <= LEAF_FEW:
        _settle_leaf(t, &path)
    return value


# --- Debug ------------------------------------------------------------------------


cdef size_t _inner_nbytes(const void *node, int height) noexcept nogil:
    cdef const inner_t *inner = <const inner_t *>node
    cdef size_t n
    cdef unsigned int i
    if height == 0:
        return zsize(node)
    n = zsize(node)
    for i in range(inner.n):
        n += _inner_nbytes(inner.children[i], height - 1)
    return n


cdef size_t sidx_nbytes(const sidx_t *t) noexcept nogil:
    """Return the bytes of all nodes; the values' are not counted."""
    return 0 if t.root == NULL else _inner_nbytes(t.root, t.height)


cdef size_t _check_node(
    const void *node, int height, bint has_low, sid_t low, bint has_high, sid_t high,
    sidx_leaf_t **chain
) noexcept nogil:
    """Check a subtree whose ids are at least low and below high."""
    cdef const inner_t *inner = <const inner_t *>node
    cdef const sidx_leaf_t *leaf
    cdef unsigned int i
    cdef size_t n = 0
    if height:
        fr_assert(0 < inner.n <= INNER_CAP)
        for i in range(inner.n):
            if i > 1:
                fr_assert(sid_cmp(inner.ids[i - 1], inner.ids[i]) < 0)
            n += _check_node(
                inner.children[i], height - 1,
                has_low or i > 0, inner.ids[i] if i else low,
                has_high or i + 1 < inner.n,
                inner.ids[i + 1] if i + 1 < inner.n else high, chain)
        return n
    leaf = <const sidx_leaf_t *>node
    fr_assert(leaf == chain[0])
    chain[0] = leaf.next
    if leaf.next != NULL:
        fr_assert(leaf.next.prev == leaf)
    fr_assert(0 < leaf.n <= leaf.cap <= LEAF_CAP)
    for i in range(leaf.n):
        if i:
            fr_assert(sid_cmp(leaf.entries[i - 1].id, leaf.entries[i].id) < 0)
        if has_low:
            fr_assert(sid_cmp(low, leaf.entries[i].id) <= 0)
        if has_high:
            fr_assert(sid_cmp(leaf.entries[i].id, high) < 0)
    return leaf.n


cdef void sidx_check(const sidx_t *t) noexcept nogil:
    """Abort unless the invariants hold."""
    cdef sidx_leaf_t *chain = t.first
    cdef sidx_leaf_t *last = t.first
    cdef sid_t none
    none.ms = none.seq = 0
    if t.root == NULL:
        fr_assert(t.len == 0 and t.first == NULL and t.last == NULL and t.height == 0)
        return
    fr_assert(t.first.prev == NULL)
    while last.next != NULL:
        last = last.next
    fr_assert(last == t.last)
    if t.height:
        fr_assert((<const inner_t *>t.root).n > 1)
    fr_assert(
        _check_node(t.root, t.height, False, none, False, none, &chain) == t.len)
    fr_assert(chain == NULL)
