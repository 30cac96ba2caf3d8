# SPDX-License-Identifier: BSD-3-Clause
r"""Geo commands: positions kept as the scores of sorted sets.

GEOSEARCH and its older kin differ in how they are written, not in what they do:

    GEORADIUS, GEORADIUSBYMEMBER   \
    GEORADIUS_RO ...                >  search_t --> members --> sort, cut --> reply
    GEOSEARCH, GEOSEARCHSTORE      /                                     \--> store
"""
from fastredis.core.keyhash cimport keyhash
from fastredis.core.mem cimport zfree, zmalloc, zrealloc
from fastredis.core.num cimport (
    NUM_LD_HUMAN_BUF,
    num_format_i64,
    num_format_ld_human,
    num_parse_double,
)
from fastredis.core.status cimport C_ERR, C_OK, status_t
from fastredis.commands.zset_key cimport (
    zset_limits,
    zset_member_or_reply,
    zset_read_or_reply,
    zset_store,
    zset_write_or_reply,
)
from fastredis.datatypes.geo cimport (
    GEO_BOX,
    GEO_CIRCLE,
    GEO_POLYGON,
    GEO_TEXT_LEN,
    geo_distance,
    geo_is_valid,
    geo_pos_t,
    geo_position,
    geo_score,
    geo_search,
    geo_shape_t,
    geo_text,
)
from fastredis.datatypes.t_zset cimport (
    ZADD_NX,
    ZADD_XX,
    ZSET_ADDED,
    ZSET_UPDATED,
    zset_add,
    zset_added_t,
    zset_entry_t,
    zset_from_table,
    zset_keep,
    zset_limits_t,
    zset_member_of,
    zset_new,
    zset_of,
    zset_score,
    zset_t,
)
from fastredis.ds.bptree cimport bpt_elem_new
from fastredis.ds.hashtable cimport ht_insert, ht_new, ht_t
from fastredis.ds.listpack cimport LP_INT_BUF
from fastredis.engine.args cimport (
    arg_double_or_reply,
    arg_i64_or_error,
    arg_i64_or_reply,
    arg_is,
    arg_key,
)
from fastredis.engine.changed cimport NOTIFY_ZSET, key_changed
from fastredis.engine.client cimport client_t
from fastredis.engine.errors cimport ERR_SYNTAX
from fastredis.engine.reply cimport (
    reply_array,
    reply_bulk,
    reply_error,
    reply_error_arg,
    reply_error_len,
    reply_int,
    reply_null,
    reply_null_array,
)
from fastredis.keyspace.db cimport DB_NO_TTL, db_set_pointer, dbkey, dbkey_t
from fastredis.keyspace.obj cimport OBJ_ZSET, obj_t
from fastredis.resp.writer cimport out_bytes
from libc.math cimport llrint
from libc.stdint cimport INT64_MAX, int64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport qsort
from libc.string cimport memcpy, memset

cdef enum:
    GEO_CH = 1 << 10            # GEOADD's CH, beside the ZADD_* of t_zset
    FOUND_FIRST_CAP = 32
    DISTANCE_DECIMALS = 4


# --- Arguments --------------------------------------------------------------------


cdef status_t _position_or_reply(client_t *c, int i, geo_pos_t *pos_out) noexcept nogil:
    """Read a longitude and the latitude that follows."""
    cdef char[800] text
    cdef geo_pos_t pos
    if (arg_double_or_reply(c, i, &pos.lon) != C_OK
            or arg_double_or_reply(c, i + 1, &pos.lat) != C_OK):
        return C_ERR
    if not geo_is_valid(pos):
        reply_error_len(c, text, snprintf(
            text, sizeof(text), b"ERR invalid longitude,latitude pair %f,%f",
            pos.lon, pos.lat))
        return C_ERR
    pos_out[0] = pos
    return C_OK


cdef status_t _unit_or_reply(client_t *c, int i, double *metres_out) noexcept nogil:
    """Read a unit of length: how many metres it is."""
    if arg_is(c, i, b"m"):
        metres_out[0] = 1
    elif arg_is(c, i, b"km"):
        metres_out[0] = 1000
    elif arg_is(c, i, b"ft"):
        metres_out[0] = 0.3048
    elif arg_is(c, i, b"mi"):
        metres_out[0] = 1609.34
    else:
        reply_error(c, b"ERR unsupported unit provided. please use M, KM, FT, MI")
        return C_ERR
    return C_OK


cdef status_t _length_or_error(
    client_t *c, int i, const char *error, double *length_out
) noexcept nogil:
    """Read a number, or reply the error."""
    if num_parse_double(c.argv[i].ptr, c.argv[i].len, length_out) == C_OK:
        return C_OK
    reply_error(c, error)
    return C_ERR


# --- Replies ----------------------------------------------------------------------


cdef void _reply_distance(client_t *c, double distance) noexcept nogil:
    """Reply a distance with four decimals, as text in RESP3, too."""
    cdef char[64] text
    cdef char[32] digits
    cdef int64_t scaled
    cdef int n, whole
    if not distance < 9e14:
        n = snprintf(text, sizeof(text), b"%.4f", distance)
        reply_bulk(c, text, n if n < <int>sizeof(text) else <int>sizeof(text) - 1)
        return
    scaled = llrint(distance * 10000)
    whole = num_format_i64(text, scaled // 10000)
    text[whole] = b"."
    # five digits, of which the first is no part of it
    num_format_i64(digits, 10000 + scaled % 10000)
    memcpy(text + whole + 1, digits + 1, DISTANCE_DECIMALS)
    reply_bulk(c, text, whole + 1 + DISTANCE_DECIMALS)


cdef void _reply_degrees(client_t *c, double degrees) noexcept nogil:
    """Reply a coordinate with up to 17 decimals: a double in RESP3, else text."""
    cdef char text[NUM_LD_HUMAN_BUF]
    cdef int n = num_format_ld_human(text, NUM_LD_HUMAN_BUF, degrees)
    if c.out.resp == 2:
        reply_bulk(c, text, n)
        return
    out_bytes(&c.out, b",", 1)
    out_bytes(&c.out, text, n)
    out_bytes(&c.out, b"\r\n", 2)


cdef void _reply_position(client_t *c, geo_pos_t pos) noexcept nogil:
    reply_array(c, 2)
    _reply_degrees(c, pos.lon)
    _reply_degrees(c, pos.lat)


# --- Add and look up --------------------------------------------------------------


cdef void _geoadd(client_t *c, int first, int flags) noexcept nogil:
    """Add members from argument first on, all of which are known to be valid."""
    cdef dbkey_t key = arg_key(c, 1)
    cdef zset_limits_t limits = zset_limits(c)
    cdef int n = (c.argc - first) // 3, i
    cdef int64_t nadded = 0, nupdated = 0
    cdef zset_added_t done
    cdef size_t longest = 0
    cdef double score
    cdef geo_pos_t pos
    cdef obj_t *o
    cdef zset_t z
    if zset_write_or_reply(c, &key, &o) != C_OK:
        return
    if o == NULL and flags & ZADD_XX:
        reply_int(c, 0)
        return
    if o == NULL:
        for i in range(first + 2, c.argc, 3):
            longest = max(longest, c.argv[i].len)
        z = zset_new(&limits, n, longest)
    else:
        z = zset_of(o)
    for i in range(first, c.argc, 3):
        num_parse_double(c.argv[i].ptr, c.argv[i].len, &pos.lon)
        num_parse_double(c.argv[i + 1].ptr, c.argv[i + 1].len, &pos.lat)
        done = zset_add(&z, &limits, geo_score(pos), c.argv[i + 2].ptr,
                        c.argv[i + 2].len, flags & (ZADD_NX | ZADD_XX), &score)
        nadded += done == ZSET_ADDED
        nupdated += done == ZSET_UPDATED
    if o == NULL:
        db_set_pointer(c.db, &key, OBJ_ZSET, z.enc, z.ptr, DB_NO_TTL)
    else:
        zset_keep(o, z)
    reply_int(c, nadded + nupdated if flags & GEO_CH else nadded)
    if nadded or nupdated:
        key_changed(c, &key, NOTIFY_ZSET, b"zadd")


cdef api void cmd_geoadd(client_t *c) noexcept nogil:
    """GEOADD key [NX | XX] [CH] longitude latitude member [...]"""
    cdef int first = 2, flags = 0, i
    cdef geo_pos_t pos
    while first < c.argc:
        if arg_is(c, first, b"nx"):
            flags |= ZADD_NX
        elif arg_is(c, first, b"xx"):
            flags |= ZADD_XX
        elif arg_is(c, first, b"ch"):
            flags |= GEO_CH
        else:
            break
        first += 1
    if first == c.argc or (c.argc - first) % 3 or (
            flags & ZADD_NX and flags & ZADD_XX):
        reply_error(c, ERR_SYNTAX)
        return
    for i in range(first, c.argc, 3):
        if (_position_or_reply(c, i, &pos) != C_OK
                or zset_member_or_reply(c, i + 2) != C_OK):
            return
    _geoadd(c, first, flags)


cdef inline bint _member_score(
    client_t *c, const obj_t *o, int i, double *score_out
) noexcept nogil:
    """Look up the member that argument i is."""
    return o != NULL and zset_score(
        zset_of(o), c.argv[i].ptr, c.argv[i].len, score_out)


cdef api void cmd_geopos(client_t *c) noexcept nogil:
    """GEOPOS key [member ...]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef double score
    cdef obj_t *o
    cdef int i
    if zset_read_or_reply(c, &key, &o) != C_OK:
        return
    reply_array(c, c.argc - 2)
    for i in range(2, c.argc):
        if _member_score(c, o, i, &score):
            _reply_position(c, geo_position(score))
        else:
            reply_null_array(c)


cdef api void cmd_geohash(client_t *c) noexcept nogil:
    """GEOHASH key [member ...]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef char[GEO_TEXT_LEN] text
    cdef double score
    cdef obj_t *o
    cdef int i
    if zset_read_or_reply(c, &key, &o) != C_OK:
        return
    reply_array(c, c.argc - 2)
    for i in range(2, c.argc):
        if _member_score(c, o, i, &score):
            geo_text(score, text)
            reply_bulk(c, text, GEO_TEXT_LEN)
        else:
            reply_null(c)


cdef api void cmd_geodist(client_t *c) noexcept nogil:
    """GEODIST key member1 member2 [M | KM | FT | MI]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef double a, b, unit = 1
    cdef obj_t *o
    if c.argc > 5:
        reply_error(c, ERR_SYNTAX)
        return
    if c.argc == 5 and _unit_or_reply(c, 4, &unit) != C_OK:
        return
    if zset_read_or_reply(c, &key, &o) != C_OK:
        return
    if not _member_score(c, o, 2, &a) or not _member_score(c, o, 3, &b):
        reply_null(c)
        return
    _reply_distance(c, geo_distance(geo_position(a), geo_position(b)) / unit)


# --- Search: what is asked for ----------------------------------------------------


cdef enum form_t:
    FORM_RADIUS = 0             # GEORADIUS
    FORM_MEMBER = 1             # GEORADIUSBYMEMBER
    FORM_SEARCH = 2             # GEOSEARCH
    FORM_SEARCHSTORE = 3        # GEOSEARCHSTORE

cdef enum order_t:
    ORDER_NONE = 0
    ORDER_ASC = 1
    ORDER_DESC = 2

cdef struct search_t:
    form_t form
    bint may_store              # STORE and STOREDIST are known
    const obj_t *o              # the source, or NULL
    geo_shape_t shape
    geo_pos_t *points           # own memory of a polygon's corners, or NULL
    double unit                 # metres
    bint has_center
    bint is_from_member
    bint has_area
    bint with_dist
    bint with_hash
    bint with_coord
    order_t order
    int64_t count               # 0: all
    bint is_any
    int target                  # the argument that names the target key; 0: none
    bint is_dist_stored


cdef status_t _center_or_reply(client_t *c, search_t *s, int i) noexcept nogil:
    """Take the position of a member as the centre; any will do without a source."""
    cdef double score
    if s.o == NULL:
        return C_OK
    if not _member_score(c, s.o, i, &score):
        reply_error(c, b"ERR could not decode requested zset member")
        return C_ERR
    s.shape.center = geo_position(score)
    return C_OK


cdef status_t _circle_or_reply(client_t *c, search_t *s, int i) noexcept nogil:
    """Read a radius and its unit."""
    cdef double radius
    if _length_or_error(c, i, b"ERR need numeric radius", &radius) != C_OK:
        return C_ERR
    if radius < 0:
        reply_error(c, b"ERR radius cannot be negative")
        return C_ERR
    if _unit_or_reply(c, i + 1, &s.unit) != C_OK:
        return C_ERR
    s.shape.kind = GEO_CIRCLE
    s.shape.radius = radius * s.unit
    return C_OK


cdef status_t _box_or_reply(client_t *c, search_t *s, int i) noexcept nogil:
    """Read a width, a height and their unit."""
    cdef double width, height
    if (_length_or_error(c, i, b"ERR need numeric width", &width) != C_OK
            or _length_or_error(c, i + 1, b"ERR need numeric height", &height) != C_OK):
        return C_ERR
    if width < 0 or height < 0:
        reply_error(c, b"ERR height or width cannot be negative")
        return C_ERR
    if _unit_or_reply(c, i + 2, &s.unit) != C_OK:
        return C_ERR
    s.shape.kind = GEO_BOX
    s.shape.width = width * s.unit
    s.shape.height = height * s.unit
    return C_OK


cdef status_t _polygon_or_reply(
    client_t *c, search_t *s, int i, int *next_out
) noexcept nogil:
    """Read a number of corners and the corners; next_out: what follows them."""
    cdef int64_t n
    cdef int k
    if arg_i64_or_error(c, i, b"ERR invalid number of vertices", &n) != C_OK:
        return C_ERR
    if n < 3 or n > (c.argc - i - 1) // 2:
        reply_error(c, b"ERR GEOSEARCH BYPOLYGON must have at least 3 vertices")
        return C_ERR
    s.points = <geo_pos_t *>zmalloc(n * sizeof(geo_pos_t))
    for k in range(<int>n):
        if _position_or_reply(c, i + 1 + 2 * k, &s.points[k]) != C_OK:
            return C_ERR
    s.shape.kind = GEO_POLYGON
    s.shape.points = s.points
    s.shape.npoints = <int>n
    s.unit = 1
    next_out[0] = i + 1 + 2 * <int>n
    return C_OK


cdef status_t _area_option_or_reply(
    client_t *c, search_t *s, int i, int *next_out
) noexcept nogil:
    """Read one of the options of GEOSEARCH that say where; syntax error otherwise."""
    cdef int left = c.argc - i - 1
    cdef bint is_polygon = s.points != NULL
    next_out[0] = i + 3
    if (left >= 1 and arg_is(c, i, b"frommember") and not is_polygon
            and (s.is_from_member or not s.has_center)):
        s.has_center = s.is_from_member = True
        next_out[0] = i + 2
        return _center_or_reply(c, s, i + 1)
    if (left >= 2 and arg_is(c, i, b"fromlonlat") and not is_polygon
            and not s.is_from_member):
        s.has_center = True
        return _position_or_reply(c, i + 1, &s.shape.center)
    if left >= 2 and arg_is(c, i, b"byradius") and not is_polygon and not (
            s.has_area and s.shape.kind == GEO_BOX):
        s.has_area = True
        return _circle_or_reply(c, s, i + 1)
    if left >= 3 and arg_is(c, i, b"bybox") and not is_polygon and not (
            s.has_area and s.shape.kind == GEO_CIRCLE):
        s.has_area = True
        next_out[0] = i + 4
        return _box_or_reply(c, s, i + 1)
    if (left >= 2 and arg_is(c, i, b"bypolygon") and not s.has_area
            and not s.has_center):
        s.has_area = s.has_center = True
        return _polygon_or_reply(c, s, i + 1, next_out)
    reply_error(c, ERR_SYNTAX)
    return C_ERR


cdef status_t _count_or_reply(client_t *c, search_t *s, int i) noexcept nogil:
    if arg_i64_or_reply(c, i, &s.count) != C_OK:
        return C_ERR
    if s.count > 0:
        return C_OK
    reply_error(c, b"ERR COUNT must be > 0")
    return C_ERR


cdef status_t _options_or_reply(client_t *c, search_t *s, int i) noexcept nogil:
    """Read the options from argument i on."""
    while i < c.argc:
        if arg_is(c, i, b"withdist"):
            s.with_dist = True
        elif arg_is(c, i, b"withhash"):
            s.with_hash = True
        elif arg_is(c, i, b"withcoord"):
            s.with_coord = True
        elif arg_is(c, i, b"any"):
            s.is_any = True
        elif arg_is(c, i, b"asc"):
            s.order = ORDER_ASC
        elif arg_is(c, i, b"desc"):
            s.order = ORDER_DESC
        elif i + 1 < c.argc and arg_is(c, i, b"count"):
            if _count_or_reply(c, s, i + 1) != C_OK:
                return C_ERR
            i += 1
        elif i + 1 < c.argc and s.may_store and (
                arg_is(c, i, b"store") or arg_is(c, i, b"storedist")):
            s.is_dist_stored = arg_is(c, i, b"storedist")
            s.target = i + 1
            i += 1
        elif s.form == FORM_SEARCHSTORE and arg_is(c, i, b"storedist"):
            s.is_dist_stored = True
        elif s.form >= FORM_SEARCH:
            if _area_option_or_reply(c, s, i, &i) != C_OK:
                return C_ERR
            continue
        else:
            reply_error(c, ERR_SYNTAX)
            return C_ERR
        i += 1
    return C_OK


cdef status_t _consistent_or_reply(client_t *c, const search_t *s) noexcept nogil:
    """Check what only all options together show."""
    if s.target and (s.with_dist or s.with_hash or s.with_coord):
        if s.form == FORM_SEARCHSTORE:
            reply_error(
                c, b"ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and "
                b"WITHCOORD options")
        else:
            reply_error(
                c, b"ERR STORE option in GEORADIUS is not compatible with WITHDIST, "
                b"WITHHASH and WITHCOORD options")
        return C_ERR
    if not s.has_center:
        reply_error_arg(
            c, b"ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ", 0,
            b"")
        return C_ERR
    if not s.has_area:
        reply_error_arg(
            c, b"ERR exactly one of BYRADIUS and BYBOX can be specified for ", 0, b"")
        return C_ERR
    if s.is_any and s.count == 0:
        reply_error(c, b"ERR the ANY argument requires COUNT argument")
        return C_ERR
    return C_OK


cdef status_t _search_or_reply(client_t *c, search_t *s) noexcept nogil:
    """Read all arguments of a search, whose source is known."""
    cdef int i = 2
    if s.form == FORM_RADIUS:
        s.has_center = s.has_area = True
        if (_position_or_reply(c, 2, &s.shape.center) != C_OK
                or _circle_or_reply(c, s, 4) != C_OK):
            return C_ERR
        i = 6
    elif s.form == FORM_MEMBER:
        s.has_center = s.has_area = True
        # what cannot be found anyway is not looked at, as in Redis
        if s.o != NULL and (_center_or_reply(c, s, 2) != C_OK
                            or _circle_or_reply(c, s, 3) != C_OK):
            return C_ERR
        i = 5
    elif s.form == FORM_SEARCHSTORE:
        s.target = 1
        i = 3
    if _options_or_reply(c, s, i) != C_OK:
        return C_ERR
    return _consistent_or_reply(c, s)


# --- Search: what is found --------------------------------------------------------


cdef struct found_t:
    double distance
    double score
    geo_pos_t pos
    size_t order                # in which it was found
    const char *member          # NULL: in digits
    size_t len
    char[LP_INT_BUF] digits


cdef struct list_t:
    found_t *items
    size_t n
    size_t cap
    size_t limit                # that is enough


cdef bint _take(
    void *ctx, const zset_entry_t *entry, geo_pos_t pos, double distance
) noexcept nogil:
    """Append a member to the list; False when there are enough."""
    cdef list_t *list = <list_t *>ctx
    cdef found_t *f
    if list.n == list.cap:
        list.cap *= 2
        list.items = <found_t *>zrealloc(list.items, list.cap * sizeof(found_t))
    f = &list.items[list.n]
    f.distance = distance
    f.score = entry.score
    f.pos = pos
    f.order = list.n
    f.len = entry.len
    f.member = entry.member
    if entry.member == entry.digits:
        memcpy(f.digits, entry.digits, entry.len)
        f.member = NULL
    list.n += 1
    return list.n < list.limit


cdef inline int _sign(const found_t *a, const found_t *b) noexcept nogil:
    return (a.distance > b.distance) - (a.distance < b.distance)


cdef int _nearer_first(const void *a, const void *b) noexcept nogil:
    cdef int sign = _sign(<const found_t *>a, <const found_t *>b)
    if sign == 0:
        return 1 if (<const found_t *>a).order > (<const found_t *>b).order else -1
    return sign


cdef int _farther_first(const void *a, const void *b) noexcept nogil:
    cdef int sign = _sign(<const found_t *>b, <const found_t *>a)
    if sign == 0:
        return 1 if (<const found_t *>a).order > (<const found_t *>b).order else -1
    return sign


cdef inline const char *_member_of(const found_t *f) noexcept nogil:
    if f.member == NULL:
        return <const char *>f.digits
    return f.member


cdef void _reply_found(
    client_t *c, const search_t *s, const list_t *list
) noexcept nogil:
    """Reply members, or arrays of a member and what was asked for besides."""
    cdef int extra = s.with_dist + s.with_hash + s.with_coord
    cdef const found_t *f
    cdef size_t i
    reply_array(c, list.n)
    for i in range(list.n):
        f = &list.items[i]
        if extra:
            reply_array(c, 1 + extra)
        reply_bulk(c, _member_of(f), f.len)
        if s.with_dist:
            _reply_distance(c, f.distance / s.unit)
        if s.with_hash:
            reply_int(c, <int64_t>f.score)
        if s.with_coord:
            _reply_position(c, f.pos)


cdef void _store_found(
    client_t *c, const search_t *s, const list_t *list
) noexcept nogil:
    """Store the members with their positions, or their distances, as scores."""
    cdef dbkey_t target = dbkey(c.argv[s.target].ptr, c.argv[s.target].len)
    cdef zset_limits_t limits = zset_limits(c)
    cdef ht_t *members = ht_new(zset_member_of)
    cdef const char *member
    cdef const found_t *f
    cdef double score
    cdef size_t i
    for i in range(list.n):
        f = &list.items[i]
        score = f.distance / s.unit if s.is_dist_stored else f.score
        member = _member_of(f)
        ht_insert(members, bpt_elem_new(score, member, f.len), keyhash(member, f.len))
    reply_int(c, zset_store(
        c, &target, zset_from_table(members, &limits),
        b"geosearchstore" if s.form == FORM_SEARCHSTORE else b"georadiusstore"))


cdef void _find(client_t *c, search_t *s) noexcept nogil:
    """Search, sort, cut; reply or store."""
    cdef list_t list
    list.n = 0
    list.cap = FOUND_FIRST_CAP
    list.items = <found_t *>zmalloc(list.cap * sizeof(found_t))
    list.limit = s.count if s.is_any else INT64_MAX
    if s.o != NULL:
        geo_search(zset_of(s.o), &s.shape, _take, &list)
    # some of the members are to be the nearest, unless any will do
    if s.count and s.order == ORDER_NONE and not s.is_any:
        s.order = ORDER_ASC
    if s.order == ORDER_ASC:
        qsort(list.items, list.n, sizeof(found_t), _nearer_first)
    elif s.order == ORDER_DESC:
        qsort(list.items, list.n, sizeof(found_t), _farther_first)
    if s.count and <size_t>s.count < list.n:
        list.n = s.count
    if s.target:
        _store_found(c, s, &list)
    else:
        _reply_found(c, s, &list)
    zfree(list.items)


cdef void _geosearch(client_t *c, form_t form, bint may_store) noexcept nogil:
    """Do one of the commands that search."""
    cdef int source = 2 if form == FORM_SEARCHSTORE else 1
    cdef dbkey_t key = dbkey(c.argv[source].ptr, c.argv[source].len)
    cdef search_t s
    cdef obj_t *o
    if zset_read_or_reply(c, &key, &o) != C_OK:
        return
    memset(&s, 0, sizeof(search_t))
    s.form = form
    s.may_store = may_store
    s.o = o
    s.unit = 1
    if _search_or_reply(c, &s) == C_OK:
        _find(c, &s)
    zfree(s.points)


cdef api void cmd_georadius(client_t *c) noexcept nogil:
    """GEORADIUS key longitude latitude radius unit [options] [STORE | STOREDIST key]"""
    _geosearch(c, FORM_RADIUS, True)


cdef api void cmd_georadius_ro(client_t *c) noexcept nogil:
    """GEORADIUS_RO key longitude latitude radius unit [options]"""
    _geosearch(c, FORM_RADIUS, False)


cdef api void cmd_georadiusbymember(client_t *c) noexcept nogil:
    """GEORADIUSBYMEMBER key member radius unit [options] [STORE | STOREDIST key]"""
    _geosearch(c, FORM_MEMBER, True)


cdef api void cmd_georadiusbymember_ro(client_t *c) noexcept nogil:
    """GEORADIUSBYMEMBER_RO key member radius unit [options]"""
    _geosearch(c, FORM_MEMBER, False)


cdef api void cmd_geosearch(client_t *c) noexcept nogil:
    """GEOSEARCH key <FROMMEMBER member | FROMLONLAT longitude latitude>
    <BYRADIUS radius unit | BYBOX width height unit | BYPOLYGON n lon lat ...>
    [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]"""
    _geosearch(c, FORM_SEARCH, False)


cdef api void cmd_geosearchstore(client_t *c) noexcept nogil:
    """GEOSEARCHSTORE destination source <as GEOSEARCH> [STOREDIST]"""
    _geosearch(c, FORM_SEARCHSTORE, False)
