# SPDX-License-Identifier: BSD-3-Clause
r"""B+ tree with counts: the order of a sorted set.

    inner node                                                  t.root
    +---+-------------------+---------------------+
    | n | keys   k0  k1  k2 | firsts   e0  e4  e7 |   smallest element of each child,
    |   | counts  4   3   5 | children c0  c1  c2 |   and elements in its subtree
    +---+-------------------+----------|--|--|----+
                  .-------------------'   |   '--------------.
                  v                       v                  v
    leaf  +------------------+   +------------------+   +------------------+
          | prefixes 4 bytes |<->| prefixes         |<->| prefixes         |
          | ptrs 6 bytes     |   | ptrs             |   | ptrs             |
          +--|--|--|--|------+   +------------------+   +------------------+
             v  v  v  v
            elements {score, length, member}: the hash table points at the same

Scores are compared as integers (bpt_key), which order as the doubles do. A leaf keeps
the upper 32 bits of each: sign, exponent and 20 bits of the mantissa. So a search looks
at an element itself only where these are equal. Inner nodes are few and keep all 64.

Invariants: elements increase strictly; keys[i] and firsts[i] are those of the smallest
element under child i, counts[i] is their number; no node but the root is empty.

A leaf of 1024 bytes has room for 100 elements. A full one first gives of its entries
to a neighbour that has room, and splits only if there is none; at the right end of the
tree a new leaf starts with the new element alone. So leaves that are filled in order
are full, those that are filled at random about 85%: some 12 bytes an element.

Cost: insert, remove, rank and by-rank access O(log n): three levels reach 400,000
elements, four 25 million. Threads: none; a tree that nobody else uses may be freed on
another.
Source: Comer, "The Ubiquitous B-Tree", 1979; counted B-trees as in S. Tatham's notes.
"""
from fastredis.core.mem cimport zfree, zmalloc, zsize
from fastredis.core.status cimport fr_assert, fr_unlikely
from libc.string cimport memcmp, memcpy, memmove

cdef enum:
    LEAF_BYTES = 1024
    LINE_BYTES = 64
    FIRST_ELEMENTS = 6          # of a range; its iterator has the next ones loaded
    # 64**11 elements: more than memory
    HEIGHT_MAX = 12
    # A neighbour takes entries of a full leaf if it has this much room; with less, the
    # moving would soon come again.
    LEAF_ROOM_MIN = 8
    # A node is merged with a neighbour when it is a third full or less and both take
    # up five sixths of one: neither a split nor a merge follows at once.
    LEAF_FEW = BPT_LEAF_CAP // 3
    LEAF_MERGED_MAX = BPT_LEAF_CAP * 5 // 6
    INNER_FEW = BPT_INNER_CAP // 3
    INNER_MERGED_MAX = BPT_INNER_CAP * 5 // 6

cdef struct inner_t:
    uint32_t n
    uint64_t keys[BPT_INNER_CAP]
    bpt_elem_t *firsts[BPT_INNER_CAP]
    size_t counts[BPT_INNER_CAP]
    void *children[BPT_INNER_CAP]

# What a search looks for.
cdef struct probe_t:
    uint64_t key
    const char *member
    size_t len
    bpt_border_t border

# The way from the root to a leaf: nodes[0] is the root, at[i] the child taken there.
cdef struct path_t:
    inner_t *nodes[HEIGHT_MAX]
    uint32_t at[HEIGHT_MAX]
    bpt_leaf_t *leaf
    uint32_t index


# --- Elements ---------------------------------------------------------------------


cdef bpt_elem_t *bpt_elem_new(
    double score, const char *member, size_t nbytes
) noexcept nogil:
    """Return a new element; member is copied."""
    cdef bpt_elem_t *e
    fr_assert(nbytes <= BPT_MEMBER_MAX)
    e = <bpt_elem_t *>zmalloc(sizeof(double) + sizeof(uint32_t) + nbytes)
    e.score = score
    e.len = <uint32_t>nbytes
    memcpy(e.member, member, nbytes)
    return e


cdef inline int _compare_bytes(
    const char *a, size_t alen, const char *b, size_t blen
) noexcept nogil:
    cdef int order = memcmp(a, b, alen if alen < blen else blen)
    if order:
        return order
    return (alen > blen) - (alen < blen)


cdef int bpt_compare_bytes(
    const char *a, size_t alen, const char *b, size_t blen
) noexcept nogil:
    """Compare two members."""
    return _compare_bytes(a, alen, b, blen)


cdef inline bint _is_below(const bpt_elem_t *e, const probe_t *probe) noexcept nogil:
    """Return whether e is below the border, where the scores do not decide."""
    cdef int order
    if probe.border == BPT_BEFORE_SCORE:
        return False
    if probe.border == BPT_AFTER_SCORE:
        return True
    order = _compare_bytes(e.member, e.len, probe.member, probe.len)
    return order <= 0 if probe.border == BPT_AFTER_MEMBER else order < 0


# --- Create and free --------------------------------------------------------------


cdef bpt_leaf_t *_new_leaf(bpt_t *t) noexcept nogil:
    cdef bpt_leaf_t *leaf
    fr_assert(sizeof(bpt_leaf_t) <= LEAF_BYTES)
    leaf = <bpt_leaf_t *>zmalloc(sizeof(bpt_leaf_t))
    leaf.prev = NULL
    leaf.next = NULL
    leaf.n = 0
    t.nleaves += 1
    return leaf


cdef inner_t *_new_inner(bpt_t *t) noexcept nogil:
    cdef inner_t *node = <inner_t *>zmalloc(sizeof(inner_t))
    node.n = 0
    t.ninner += 1
    return node


cdef void bpt_init(bpt_t *t) noexcept nogil:
    """Make *t an empty tree."""
    t.nleaves = 0
    t.ninner = 0
    t.len = 0
    t.height = 0
    t.first = t.last = _new_leaf(t)
    t.root = t.first


cdef void _free_node(void *node, int height) noexcept nogil:
    cdef inner_t *inner = <inner_t *>node
    cdef uint32_t i
    if height:
        for i in range(inner.n):
            _free_node(inner.children[i], height - 1)
    zfree(node)


cdef void bpt_clear(bpt_t *t) noexcept nogil:
    """Free all nodes; *t has to be initialised again."""
    _free_node(t.root, t.height)
    t.root = NULL


# --- Search -----------------------------------------------------------------------


cdef extern from *:
    """
    /* Both without a branch that depends on the keys: a mispredicted one would cost as
       much as the search. The first is for 64 keys in order, six steps; the second
       looks at all, several at a time. */
    static inline uint32_t bpt_below64(const uint64_t *v, uint32_t n, uint64_t key) {
        const uint64_t *base = v;
        if (n == 0) return 0;
        while (n > 1) {
            uint32_t half = n >> 1;
            base += half & -(uint32_t)(base[half - 1] < key);
            n -= half;
        }
        return (uint32_t)(base - v) + (base[0] < key);
    }
    static inline uint32_t bpt_below32(const uint32_t *v, uint32_t n, uint32_t prefix) {
        uint32_t total = 0;
        for (uint32_t i = 0; i < n; i++) total += v[i] < prefix;
        return total;
    }
    static inline uint32_t bpt_equal32(const uint32_t *v, uint32_t n, uint32_t prefix) {
        uint32_t total = 0;
        for (uint32_t i = 0; i < n; i++) total += v[i] == prefix;
        return total;
    }
    """
    uint32_t bpt_below64(const uint64_t *v, uint32_t n, uint64_t key) noexcept nogil
    uint32_t bpt_below32(const uint32_t *v, uint32_t n, uint32_t prefix) noexcept nogil
    uint32_t bpt_equal32(const uint32_t *v, uint32_t n, uint32_t prefix) noexcept nogil


cdef inline uint32_t _search_inner(
    const inner_t *node, const probe_t *probe
) noexcept nogil:
    """Return the last child whose smallest element is below the border, or 0."""
    cdef uint32_t low = 1, high = node.n, mid
    if probe.border < BPT_BEFORE_MEMBER:
        # only among equal scores members decide; of different scores that is one
        low += bpt_below64(&node.keys[1], node.n - 1, probe.key)
        high = low
        while high < node.n and node.keys[high] == probe.key:
            high += 1
    while low < high:
        mid = (low + high) // 2
        if _is_below(node.firsts[mid], probe):
            low = mid + 1
        else:
            high = mid
    return low - 1


cdef inline uint32_t _search_leaf(
    const bpt_leaf_t *leaf, const probe_t *probe
) noexcept nogil:
    """Return how many elements of the leaf are below the border."""
    cdef uint32_t low = 0, high = leaf.n, mid
    cdef uint32_t prefix = <uint32_t>(probe.key >> 32)
    cdef const bpt_elem_t *e
    cdef uint64_t key
    cdef bint below
    if probe.border < BPT_BEFORE_MEMBER:
        low = bpt_below32(leaf.prefixes, leaf.n, prefix)
        if low == leaf.n or leaf.prefixes[low] != prefix:
            return low
        high = low + bpt_equal32(&leaf.prefixes[low], leaf.n - low, prefix)
    while low < high:
        mid = (low + high) // 2
        e = <bpt_elem_t *>bpt_unpack(leaf.ptrs[mid])
        if probe.border >= BPT_BEFORE_MEMBER:
            below = _is_below(e, probe)
        else:
            key = bpt_key(e.score)
            below = key < probe.key if key != probe.key else _is_below(e, probe)
        if below:
            low = mid + 1
        else:
            high = mid
    return low


cdef inline size_t _sum(const size_t *counts, uint32_t n) noexcept nogil:
    cdef size_t total = 0
    cdef uint32_t i
    for i in range(n):
        total += counts[i]
    return total


cdef void _descend(
    const bpt_t *t, const probe_t *probe, path_t *path
) noexcept nogil:
    """Find the way to where an element at the border is, or would be."""
    cdef void *node = t.root
    cdef int level
    for level in range(t.height):
        path.nodes[level] = <inner_t *>node
        path.at[level] = _search_inner(path.nodes[level], probe)
        node = path.nodes[level].children[path.at[level]]
    path.leaf = <bpt_leaf_t *>node
    path.index = _search_leaf(path.leaf, probe)


cdef void _descend_rank(const bpt_t *t, size_t rank, path_t *path) noexcept nogil:
    """Find the way to the element of a rank, which is below t.len."""
    cdef void *node = t.root
    cdef inner_t *inner
    cdef uint32_t i
    cdef int level
    for level in range(t.height):
        inner = <inner_t *>node
        i = 0
        while rank >= inner.counts[i]:
            rank -= inner.counts[i]
            i += 1
        path.nodes[level] = inner
        path.at[level] = i
        node = inner.children[i]
    path.leaf = <bpt_leaf_t *>node
    path.index = <uint32_t>rank


cdef inline probe_t _probe_of(const bpt_elem_t *e) noexcept nogil:
    cdef probe_t probe
    probe.key = bpt_key(e.score)
    probe.member = <const char *>e.member
    probe.len = e.len
    probe.border = BPT_AT_ELEMENT
    return probe


cdef size_t _count_below(const bpt_t *t, const probe_t *probe) noexcept nogil:
    cdef void *node = t.root
    cdef inner_t *inner
    cdef size_t total = 0
    cdef uint32_t i
    cdef int _level
    for _level in range(t.height):
        inner = <inner_t *>node
        i = _search_inner(inner, probe)
        total += _sum(inner.counts, i)
        node = inner.children[i]
    return total + _search_leaf(<bpt_leaf_t *>node, probe)


cdef size_t bpt_count_below(
    const bpt_t *t, bpt_border_t border, double score, const char *member, size_t nbytes
) noexcept nogil:
    """Return the number of elements below a border: the rank of what follows it."""
    cdef probe_t probe
    probe.key = bpt_key(score)
    probe.member = member
    probe.len = nbytes
    probe.border = border
    return _count_below(t, &probe)


cdef size_t bpt_rank(const bpt_t *t, const bpt_elem_t *e) noexcept nogil:
    """Return the rank of an element of the tree."""
    cdef probe_t probe = _probe_of(e)
    return _count_below(t, &probe)


cdef inline void _load_leaf(const void *leaf) noexcept nogil:
    """Have all of a leaf on its way, so that no line waits for the one before."""
    cdef size_t i = 0
    while i < LEAF_BYTES:
        bpt_prefetch_line(<const char *>leaf + i)
        i += LINE_BYTES


cdef inline void *_leaf_for(const bpt_t *t, const probe_t *probe) noexcept nogil:
    """Find a leaf by the inner nodes, which are few, and have it loaded."""
    cdef void *node = t.root
    cdef int _level
    for _level in range(t.height):
        node = (<inner_t *>node).children[_search_inner(<inner_t *>node, probe)]
    return node


cdef void bpt_prefetch(const bpt_t *t, const bpt_elem_t *e) noexcept nogil:
    """Have the leaf loaded in which an element is, or would be."""
    cdef probe_t probe = _probe_of(e)
    _load_leaf(_leaf_for(t, &probe))


cdef inline probe_t _probe_from(double score) noexcept nogil:
    cdef probe_t probe
    probe.key = bpt_key(score)
    probe.member = NULL
    probe.len = 0
    probe.border = BPT_BEFORE_SCORE
    return probe


cdef void bpt_prefetch_score(const bpt_t *t, double score) noexcept nogil:
    """Have the leaf loaded in which the elements of a score begin."""
    cdef probe_t probe = _probe_from(score)
    _load_leaf(_leaf_for(t, &probe))


cdef void bpt_prefetch_from(const bpt_t *t, double score) noexcept nogil:
    """Have the first elements from a score on loaded, as far as its leaf has them.

    By their prefixes: none of them is read.
    """
    cdef probe_t probe = _probe_from(score)
    cdef const bpt_leaf_t *leaf = <const bpt_leaf_t *>_leaf_for(t, &probe)
    cdef uint32_t i = bpt_below32(
        leaf.prefixes, leaf.n, <uint32_t>(probe.key >> 32)), end
    end = min(i + FIRST_ELEMENTS, leaf.n)
    while i < end:
        bpt_prefetch_line(bpt_unpack(leaf.ptrs[i]))
        i += 1


cdef bpt_pos_t bpt_at(const bpt_t *t, size_t rank) noexcept nogil:
    """Return the position of a rank."""
    cdef path_t path
    cdef bpt_pos_t pos
    pos.leaf = NULL
    pos.index = 0
    if rank < t.len:
        _descend_rank(t, rank, &path)
        pos.leaf = path.leaf
        pos.index = path.index
    return pos


# --- Nodes ------------------------------------------------------------------------


cdef inline void _leaf_set(bpt_leaf_t *leaf, uint32_t i, bpt_elem_t *e) noexcept nogil:
    leaf.prefixes[i] = <uint32_t>(bpt_key(e.score) >> 32)
    bpt_pack(leaf.ptrs[i], e)


cdef inline void _leaf_move(
    bpt_leaf_t *to, uint32_t i, bpt_leaf_t *leaf, uint32_t j, uint32_t n
) noexcept nogil:
    """Copy n entries; both may be the same leaf."""
    memmove(&to.prefixes[i], &leaf.prefixes[j], n * sizeof(uint32_t))
    memmove(to.ptrs[i], leaf.ptrs[j], n * 6)


cdef inline void _inner_move(
    inner_t *to, uint32_t i, inner_t *node, uint32_t j, uint32_t n
) noexcept nogil:
    """Copy n children; both may be the same node."""
    memmove(&to.keys[i], &node.keys[j], n * sizeof(uint64_t))
    memmove(&to.firsts[i], &node.firsts[j], n * sizeof(bpt_elem_t *))
    memmove(&to.counts[i], &node.counts[j], n * sizeof(size_t))
    memmove(&to.children[i], &node.children[j], n * sizeof(void *))


cdef inline void _set_first(inner_t *node, uint32_t i, bpt_elem_t *e) noexcept nogil:
    node.keys[i] = bpt_key(e.score)
    node.firsts[i] = e


cdef inline bpt_elem_t *_leaf_first(const bpt_leaf_t *leaf) noexcept nogil:
    return <bpt_elem_t *>bpt_unpack(leaf.ptrs[0])


cdef void _refresh_first(const bpt_t *t, path_t *path) noexcept nogil:
    """The leaf's smallest element is another: tell the inner nodes above."""
    cdef bpt_elem_t *e = _leaf_first(path.leaf)
    cdef int level = t.height
    while level:
        level -= 1
        _set_first(path.nodes[level], path.at[level], e)
        if path.at[level]:
            return


cdef inline void _count_path(const bpt_t *t, path_t *path, int change) noexcept nogil:
    """Change the counts above a leaf by 1 or -1."""
    cdef int level
    for level in range(t.height):
        path.nodes[level].counts[path.at[level]] += change


# --- Insert -----------------------------------------------------------------------


cdef void _link_child(
    bpt_t *t, path_t *path, int level, bpt_elem_t *first, size_t count, void *child
) noexcept nogil:
    """Put a new child right of the one on the path into the node at this level.

    level -1: the root has been split. The path's own child has given up count elements,
    which its entry still counts.
    """
    cdef inner_t *node
    cdef inner_t *right
    cdef uint32_t i, half
    cdef size_t moved
    if level < 0:
        node = _new_inner(t)
        node.n = 2
        node.children[0] = t.root
        node.counts[0] = t.len - count
        node.children[1] = child
        node.counts[1] = count
        # of the left one the smallest element: that of the whole tree
        _set_first(node, 0, _leaf_first(t.first))
        _set_first(node, 1, first)
        t.root = node
        t.height += 1
        return
    node = path.nodes[level]
    node.counts[path.at[level]] -= count
    i = path.at[level] + 1
    if node.n == BPT_INNER_CAP:
        # in the order of insertion nodes shall become full, as leaves do
        half = BPT_INNER_CAP - 1 if i == BPT_INNER_CAP else BPT_INNER_CAP // 2
        right = _new_inner(t)
        right.n = node.n - half
        _inner_move(right, 0, node, half, right.n)
        node.n = half
        moved = _sum(right.counts, right.n)
        if i > half:
            moved += count
            _put_child(right, i - half, first, count, child)
        else:
            _put_child(node, i, first, count, child)
        _link_child(t, path, level - 1, right.firsts[0], moved, right)
        return
    _put_child(node, i, first, count, child)


cdef inline void _put_child(
    inner_t *node, uint32_t i, bpt_elem_t *first, size_t count, void *child
) noexcept nogil:
    """Put a child at i of a node that has room."""
    _inner_move(node, i + 1, node, i, node.n - i)
    _set_first(node, i, first)
    node.counts[i] = count
    node.children[i] = child
    node.n += 1


cdef bint _give_left(bpt_t *t, path_t *path) noexcept nogil:
    """Even a full leaf out with its left neighbour, if that has room."""
    cdef inner_t *parent
    cdef bpt_leaf_t *left
    cdef uint32_t at, n
    if t.height == 0 or path.at[t.height - 1] == 0:
        return False
    parent = path.nodes[t.height - 1]
    at = path.at[t.height - 1]
    left = <bpt_leaf_t *>parent.children[at - 1]
    if left.n > BPT_LEAF_CAP - LEAF_ROOM_MIN:
        return False
    n = (path.leaf.n - left.n + 1) // 2
    _leaf_move(left, left.n, path.leaf, 0, n)
    left.n += n
    path.leaf.n -= n
    _leaf_move(path.leaf, 0, path.leaf, n, path.leaf.n)
    parent.counts[at - 1] += n
    parent.counts[at] -= n
    _set_first(parent, at, _leaf_first(path.leaf))
    return True


cdef bint _give_right(bpt_t *t, path_t *path) noexcept nogil:
    """Even a full leaf out with its right neighbour, if that has room."""
    cdef inner_t *parent
    cdef bpt_leaf_t *right
    cdef uint32_t at, n
    if t.height == 0 or path.at[t.height - 1] + 1 == path.nodes[t.height - 1].n:
        return False
    parent = path.nodes[t.height - 1]
    at = path.at[t.height - 1]
    right = <bpt_leaf_t *>parent.children[at + 1]
    if right.n > BPT_LEAF_CAP - LEAF_ROOM_MIN:
        return False
    n = (path.leaf.n - right.n + 1) // 2
    _leaf_move(right, n, right, 0, right.n)
    path.leaf.n -= n
    _leaf_move(right, 0, path.leaf, path.leaf.n, n)
    right.n += n
    parent.counts[at] -= n
    parent.counts[at + 1] += n
    _set_first(parent, at + 1, _leaf_first(right))
    return True


cdef bpt_leaf_t *_new_leaf_after(bpt_t *t, bpt_leaf_t *leaf) noexcept nogil:
    """Return a new leaf in the list behind another."""
    cdef bpt_leaf_t *right = _new_leaf(t)
    right.prev = leaf
    right.next = leaf.next
    if leaf.next != NULL:
        leaf.next.prev = right
    else:
        t.last = right
    leaf.next = right
    return right


cdef void _split_leaf(bpt_t *t, path_t *path) noexcept nogil:
    """Move the upper half of a full leaf to a new one."""
    cdef bpt_leaf_t *leaf = path.leaf
    cdef bpt_leaf_t *right = _new_leaf_after(t, leaf)
    cdef uint32_t half = BPT_LEAF_CAP // 2
    right.n = leaf.n - half
    _leaf_move(right, 0, leaf, half, right.n)
    leaf.n = half
    _link_child(t, path, t.height - 1, _leaf_first(right), right.n, right)


cdef void _append_leaf(bpt_t *t, path_t *path, bpt_elem_t *e) noexcept nogil:
    """Start a new last leaf with e; the path leads to the last one, which is full."""
    cdef bpt_leaf_t *right = _new_leaf_after(t, path.leaf)
    cdef int level
    _leaf_set(right, 0, e)
    right.n = 1
    t.len += 1
    # as if e had been in the old leaf, from which it is now taken
    for level in range(t.height):
        path.nodes[level].counts[path.at[level]] += 1
    _link_child(t, path, t.height - 1, e, 1, right)


cdef void _insert_at(bpt_t *t, path_t *path, bpt_elem_t *e) noexcept nogil:
    """Put e at the end of a path; its leaf has room."""
    cdef bpt_leaf_t *leaf = path.leaf
    _leaf_move(leaf, path.index + 1, leaf, path.index, leaf.n - path.index)
    _leaf_set(leaf, path.index, e)
    leaf.n += 1
    t.len += 1
    _count_path(t, path, 1)
    if path.index == 0:
        _refresh_first(t, path)


cdef void bpt_insert(bpt_t *t, bpt_elem_t *e) noexcept nogil:
    """Put an element in; its member must not be there."""
    cdef probe_t probe = _probe_of(e)
    cdef path_t path
    _descend(t, &probe, &path)
    if fr_unlikely(path.leaf.n == BPT_LEAF_CAP):
        if path.leaf == t.last and path.index == BPT_LEAF_CAP:
            _append_leaf(t, &path, e)
            return
        if not _give_left(t, &path) and not _give_right(t, &path):
            _split_leaf(t, &path)
        # entries have moved, and perhaps nodes: look again
        _descend(t, &probe, &path)
    _insert_at(t, &path, e)


cdef void bpt_append(bpt_t *t, bpt_elem_t *e) noexcept nogil:
    """Put an element behind all others; nothing is compared."""
    cdef path_t path
    cdef void *node = t.root
    cdef int level
    for level in range(t.height):
        path.nodes[level] = <inner_t *>node
        path.at[level] = path.nodes[level].n - 1
        node = path.nodes[level].children[path.at[level]]
    path.leaf = t.last
    path.index = t.last.n
    if path.leaf.n == BPT_LEAF_CAP:
        _append_leaf(t, &path, e)
    else:
        _insert_at(t, &path, e)


# --- Remove -----------------------------------------------------------------------


cdef void _drop_child(bpt_t *t, path_t *path, int level, uint32_t i) noexcept nogil:
    """Take child i, which is empty and freed, out of the node at a level.

    A node that becomes empty goes too; what it counted is nothing.
    """
    cdef inner_t *node = path.nodes[level]
    node.n -= 1
    _inner_move(node, i, node, i + 1, node.n - i)
    if node.n == 0:
        # its neighbours are so full that it was not merged while it had one child
        zfree(node)
        t.ninner -= 1
        _drop_child(t, path, level - 1, path.at[level - 1])
        return
    if i == 0:
        _first_changed(path, level, node.firsts[0])
    _merge_inner(t, path, level)


cdef void _first_changed(path_t *path, int level, bpt_elem_t *e) noexcept nogil:
    """The smallest element under the node at a level is another: tell those above."""
    while level:
        level -= 1
        _set_first(path.nodes[level], path.at[level], e)
        if path.at[level]:
            return


cdef void _merge_inner(bpt_t *t, path_t *path, int level) noexcept nogil:
    """Merge the node at a level, of which a child has gone, if it has few left."""
    cdef inner_t *node = path.nodes[level]
    cdef inner_t *parent
    cdef inner_t *left
    cdef inner_t *right
    cdef uint32_t at
    if level == 0:
        while t.height and (<inner_t *>t.root).n == 1:
            node = <inner_t *>t.root
            t.root = node.children[0]
            t.height -= 1
            zfree(node)
            t.ninner -= 1
        return
    if node.n > INNER_FEW:
        return
    parent = path.nodes[level - 1]
    at = path.at[level - 1]
    left = <inner_t *>parent.children[at - 1] if at else NULL
    right = <inner_t *>parent.children[at + 1] if at + 1 < parent.n else NULL
    if left != NULL and left.n + node.n <= INNER_MERGED_MAX:
        right = node
    elif right != NULL and right.n + node.n <= INNER_MERGED_MAX:
        left = node
        at += 1
    else:
        return
    _inner_move(left, left.n, right, 0, right.n)
    left.n += right.n
    parent.counts[at - 1] += parent.counts[at]
    zfree(right)
    t.ninner -= 1
    _drop_child(t, path, level - 1, at)


cdef void _free_leaf(bpt_t *t, bpt_leaf_t *leaf) noexcept nogil:
    """Take a leaf out of the list and free it."""
    if leaf.prev != NULL:
        leaf.prev.next = leaf.next
    else:
        t.first = leaf.next
    if leaf.next != NULL:
        leaf.next.prev = leaf.prev
    else:
        t.last = leaf.prev
    zfree(leaf)
    t.nleaves -= 1


cdef void _merge_leaf(bpt_t *t, path_t *path) noexcept nogil:
    """Merge a leaf that has few entries with a neighbour, if one has room."""
    cdef bpt_leaf_t *leaf = path.leaf
    cdef bpt_leaf_t *left
    cdef bpt_leaf_t *right
    cdef inner_t *parent = path.nodes[t.height - 1]
    cdef uint32_t at = path.at[t.height - 1]
    if leaf.n == 0:
        _free_leaf(t, leaf)
        _drop_child(t, path, t.height - 1, at)
        return
    left = <bpt_leaf_t *>parent.children[at - 1] if at else NULL
    right = <bpt_leaf_t *>parent.children[at + 1] if at + 1 < parent.n else NULL
    if left != NULL and left.n + leaf.n <= LEAF_MERGED_MAX:
        right = leaf
    elif right != NULL and right.n + leaf.n <= LEAF_MERGED_MAX:
        left = leaf
        at += 1
    else:
        return
    _leaf_move(left, left.n, right, 0, right.n)
    left.n += right.n
    parent.counts[at - 1] += parent.counts[at]
    _free_leaf(t, right)
    _drop_child(t, path, t.height - 1, at)


cdef bpt_elem_t *_remove(bpt_t *t, path_t *path) noexcept nogil:
    """Take out the element at the end of a path."""
    cdef bpt_leaf_t *leaf = path.leaf
    cdef bpt_elem_t *e = <bpt_elem_t *>bpt_unpack(leaf.ptrs[path.index])
    leaf.n -= 1
    _leaf_move(leaf, path.index, leaf, path.index + 1, leaf.n - path.index)
    t.len -= 1
    _count_path(t, path, -1)
    if path.index == 0 and leaf.n:
        _refresh_first(t, path)
    if leaf.n <= LEAF_FEW and t.height:
        _merge_leaf(t, path)
    return e


cdef void _descend_to(const bpt_t *t, const bpt_elem_t *e, path_t *path) noexcept nogil:
    """Find the way to an element that is in the tree.

    The first element of a leaf is not below itself, so _search_inner ends in the leaf
    before; but it is known as such to the inner node where the ways part.
    """
    cdef probe_t probe = _probe_of(e)
    cdef void *node = t.root
    cdef inner_t *inner
    cdef uint32_t i
    cdef int level
    for level in range(t.height):
        inner = <inner_t *>node
        i = _search_inner(inner, &probe)
        if i + 1 < inner.n and inner.firsts[i + 1] == e:
            i += 1
        path.nodes[level] = inner
        path.at[level] = i
        node = inner.children[i]
    path.leaf = <bpt_leaf_t *>node
    path.index = _search_leaf(path.leaf, &probe)
    fr_assert(path.index < path.leaf.n)
    fr_assert(bpt_unpack(path.leaf.ptrs[path.index]) == e)


cdef void bpt_remove(bpt_t *t, bpt_elem_t *e) noexcept nogil:
    """Take an element out."""
    cdef path_t path
    _descend_to(t, e, &path)
    _remove(t, &path)


cdef bpt_elem_t *bpt_remove_at(bpt_t *t, size_t rank) noexcept nogil:
    """Take the element of a rank out and return it."""
    cdef path_t path
    fr_assert(rank < t.len)
    _descend_rank(t, rank, &path)
    return _remove(t, &path)


cdef inline bint _is_between(
    const bpt_leaf_t *leaf, uint32_t i, uint64_t key
) noexcept nogil:
    """Return whether a key is between those of the neighbours of entry i.

    They themselves are looked at only if their prefixes do not decide.
    """
    cdef uint32_t prefix = <uint32_t>(key >> 32)
    cdef uint32_t left = leaf.prefixes[i - 1], right = leaf.prefixes[i + 1]
    if left > prefix or prefix > right:
        return False
    if left == prefix and bpt_key(
            (<bpt_elem_t *>bpt_unpack(leaf.ptrs[i - 1])).score) >= key:
        return False
    return prefix != right or bpt_key(
        (<bpt_elem_t *>bpt_unpack(leaf.ptrs[i + 1])).score) > key


cdef void bpt_rescore(bpt_t *t, bpt_elem_t *e, double score) noexcept nogil:
    """Give an element another score; it stays where it is if its neighbours allow."""
    cdef uint64_t key = bpt_key(score)
    cdef bpt_leaf_t *leaf
    cdef path_t path
    cdef uint32_t i
    _descend_to(t, e, &path)
    leaf = path.leaf
    i = path.index
    if i > 0 and i + 1 < leaf.n and _is_between(leaf, i, key):
        e.score = score
        _leaf_set(leaf, i, e)
        return
    _remove(t, &path)
    e.score = score
    bpt_insert(t, e)


# --- Debug ------------------------------------------------------------------------


cdef size_t bpt_nbytes(const bpt_t *t) noexcept nogil:
    """Return the bytes of all nodes."""
    cdef size_t n = t.nleaves * zsize(t.first)
    if t.height:
        n += t.ninner * zsize(t.root)
    return n


cdef struct check_t:
    const bpt_leaf_t *leaf              # the last one walked
    const bpt_elem_t *elem              # the last element walked
    size_t nleaves
    size_t ninner


cdef size_t _check_node(const void *node, int height, check_t *seen) noexcept nogil:
    """Check a subtree; return its number of elements."""
    cdef const inner_t *inner = <const inner_t *>node
    cdef const bpt_leaf_t *leaf = <const bpt_leaf_t *>node
    cdef const bpt_elem_t *e
    cdef const void *child
    cdef size_t total = 0, n
    cdef uint32_t i
    cdef int _level
    if height:
        seen.ninner += 1
        fr_assert(0 < inner.n <= BPT_INNER_CAP)
        for i in range(inner.n):
            n = _check_node(inner.children[i], height - 1, seen)
            fr_assert(n == inner.counts[i])
            total += n
            child = inner.children[i]
            for _level in range(height - 1):
                child = (<const inner_t *>child).children[0]
            e = _leaf_first(<const bpt_leaf_t *>child)
            fr_assert(inner.firsts[i] == e)
            fr_assert(inner.keys[i] == bpt_key(e.score))
        return total
    seen.nleaves += 1
    fr_assert(leaf.prev == seen.leaf)
    fr_assert(seen.leaf == NULL or seen.leaf.next == leaf)
    fr_assert(leaf.n <= BPT_LEAF_CAP)
    for i in range(leaf.n):
        e = <const bpt_elem_t *>bpt_unpack(leaf.ptrs[i])
        fr_assert(leaf.prefixes[i] == <uint32_t>(bpt_key(e.score) >> 32))
        if seen.elem != NULL:
            fr_assert(bpt_key(seen.elem.score) <= bpt_key(e.score))
            fr_assert(bpt_key(seen.elem.score) < bpt_key(e.score) or _compare_bytes(
                seen.elem.member, seen.elem.len, e.member, e.len) < 0)
        seen.elem = e
    fr_assert(leaf.n > 0 or (leaf.prev == NULL and leaf.next == NULL))
    seen.leaf = leaf
    return leaf.n


cdef void bpt_check(const bpt_t *t) noexcept nogil:
    """Walk every invariant."""
    cdef check_t seen
    seen.leaf = NULL
    seen.elem = NULL
    seen.nleaves = 0
    seen.ninner = 0
    fr_assert(_check_node(t.root, t.height, &seen) == t.len)
    fr_assert(seen.leaf == t.last and t.last.next == NULL and t.first.prev == NULL)
    fr_assert(seen.nleaves == t.nleaves)
    fr_assert(seen.ninner == t.ninner)
    fr_assert(t.height == 0 or (<const inner_t *>t.root).n > 1)
