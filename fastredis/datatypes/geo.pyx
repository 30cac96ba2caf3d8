# SPDX-License-Identifier: BSD-3-Clause
r"""Positions as scores: 52 bits of longitude and latitude, interleaved.

    longitude  -180     .. 180       as x, 26 bits      score: y25 .. are the even bits,
    latitude    -85.05  ..  85.05    as y, 26 bits             x25 .. the odd ones
                                                        x25 y25 x24 y24 ... x0 y0

A prefix of 2 * step bits names a cell of the grid with 2**step columns and rows, and
all positions in it are one range of scores. A search takes a grid in which the cell of
the centre and its eight neighbours cover the area, leaves out neighbours that cannot
matter, and looks at each member in the rest:

    +----+----+----+
    | NW | N  | NE |      order of the visits: centre, N, S, E, W, NE, NW, SE, SW
    +----+----+----+
    | W  | c  | E  |      c: the cell that has the centre of the area
    +----+----+----+
    | SW | S  | SE |
    +----+----+----+

Scores, distances and the order of what is found are the same as in Redis, so all
arithmetic is in the same order as there. The Earth is a sphere to it.

Cost: a search is O(log n + members in nine cells), a few times those in the area.
Threads: none of its own.
Source: Redis documentation of GEOADD and GEOSEARCH; geohash_helper.c of Valkey for the
arithmetic; W. R. Franklin, "PNPOLY", for points in polygons.
"""
from fastredis.datatypes.t_zset cimport (
    zset_count_below,
    zset_iter_t,
    zset_next,
    zset_seek,
)
from fastredis.ds.bptree cimport BPT_BEFORE_SCORE
from libc.math cimport M_PI, asin, atan2, cos, fabs, fmax, sin, sqrt
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum:
    STEP_MAX = 26
    NCELLS = 9

cdef extern from *:
    """
    #define GEO_LON_MAX 180.0
    /* the latitude at which the Mercator projection is a square */
    #define GEO_LAT_MAX 85.05112878
    /* the quadratic mean of the radius */
    #define GEO_EARTH_RADIUS 6372797.560856
    /* half of the circumference, and a little less */
    #define GEO_MERCATOR_MAX 20037726.37
    /* as far as the box around a circle is right, which has the pole outside */
    #define GEO_LAT_SAFE 89.0
    /* a centimetre: more than distances are wrong by rounding */
    #define GEO_HAIR 1e-7
    """
    const double GEO_LON_MAX
    const double GEO_LAT_MAX
    const double GEO_EARTH_RADIUS
    const double GEO_MERCATOR_MAX
    const double GEO_LAT_SAFE
    const double GEO_HAIR

# A cell of the grid with 2**step columns and rows; step 0: none.
cdef struct cell_t:
    uint32_t x
    uint32_t y
    int step

cdef struct box_t:
    geo_pos_t low
    geo_pos_t high

cdef char *ALPHABET = b"0123456789bcdefghjkmnpqrstuvwxyz"
# The neighbours in the order of visits, as steps to the east and to the north.
cdef int[NCELLS] TO_EAST = [0, 0, 0, 1, -1, 1, -1, 1, -1]
cdef int[NCELLS] TO_NORTH = [0, 1, -1, 0, 0, 1, 1, -1, -1]


# --- Bits -------------------------------------------------------------------------


cdef inline uint64_t _spread(uint32_t v) noexcept nogil:
    """Put a zero before each bit."""
    cdef uint64_t w = v
    w = (w | (w << 16)) & 0x0000FFFF0000FFFFULL
    w = (w | (w << 8)) & 0x00FF00FF00FF00FFULL
    w = (w | (w << 4)) & 0x0F0F0F0F0F0F0F0FULL
    w = (w | (w << 2)) & 0x3333333333333333ULL
    return (w | (w << 1)) & 0x5555555555555555ULL


cdef inline uint32_t _gather(uint64_t w) noexcept nogil:
    """Take every other bit."""
    w &= 0x5555555555555555ULL
    w = (w | (w >> 1)) & 0x3333333333333333ULL
    w = (w | (w >> 2)) & 0x0F0F0F0F0F0F0F0FULL
    w = (w | (w >> 4)) & 0x00FF00FF00FF00FFULL
    w = (w | (w >> 8)) & 0x0000FFFF0000FFFFULL
    return <uint32_t>(w | (w >> 16))


cdef inline uint64_t _interleave(const cell_t *cell) noexcept nogil:
    return _spread(cell.y) | _spread(cell.x) << 1


cdef cell_t _cell_at(geo_pos_t pos, double lat_max, int step) noexcept nogil:
    """Return the cell of a position; lat_max is where the grid ends."""
    cdef double x = (pos.lon - -GEO_LON_MAX) / (GEO_LON_MAX - -GEO_LON_MAX)
    cdef double y = (pos.lat - -lat_max) / (lat_max - -lat_max)
    cdef cell_t cell
    cell.x = <uint32_t>(x * <double>(<uint64_t>1 << step))
    cell.y = <uint32_t>(y * <double>(<uint64_t>1 << step))
    cell.step = step
    return cell


cdef box_t _box_of(const cell_t *cell) noexcept nogil:
    """Return what a cell covers."""
    cdef double n = <double>(<uint64_t>1 << cell.step)
    cdef double width = GEO_LON_MAX - -GEO_LON_MAX
    cdef double height = GEO_LAT_MAX - -GEO_LAT_MAX
    cdef box_t box
    box.low.lon = -GEO_LON_MAX + (<double>cell.x / n) * width
    box.high.lon = -GEO_LON_MAX + (<double>(cell.x + 1) / n) * width
    box.low.lat = -GEO_LAT_MAX + (<double>cell.y / n) * height
    box.high.lat = -GEO_LAT_MAX + (<double>(cell.y + 1) / n) * height
    return box


cdef inline cell_t _beside(const cell_t *cell, int east, int north) noexcept nogil:
    """Return a neighbour; beyond the edge of the world comes its other side."""
    cdef uint32_t mask = (<uint32_t>1 << cell.step) - 1
    cdef cell_t other
    other.x = (cell.x + <uint32_t>east) & mask
    other.y = (cell.y + <uint32_t>north) & mask
    other.step = cell.step
    return other


# --- Positions --------------------------------------------------------------------


cdef bint geo_is_valid(geo_pos_t pos) noexcept nogil:
    """Return whether a position lies within the grid."""
    return (-GEO_LON_MAX <= pos.lon <= GEO_LON_MAX
            and -GEO_LAT_MAX <= pos.lat <= GEO_LAT_MAX)


cdef double geo_score(geo_pos_t pos) noexcept nogil:
    """Return the score of a valid position."""
    cdef cell_t cell = _cell_at(pos, GEO_LAT_MAX, STEP_MAX)
    return <double>_interleave(&cell)


cdef inline double _within(double v, double limit) noexcept nogil:
    if v > limit:
        return limit
    return -limit if v < -limit else v


cdef geo_pos_t geo_position(double score) noexcept nogil:
    """Return the middle of the cell that a score names; any score names one."""
    cdef uint64_t bits = 0
    cdef cell_t cell
    cdef box_t box
    cdef geo_pos_t pos
    if -9.2e18 < score < 9.2e18:
        bits = <uint64_t>(<int64_t>score)
    cell.x = _gather(bits >> 1)
    cell.y = _gather(bits)
    cell.step = STEP_MAX
    box = _box_of(&cell)
    pos.lon = _within((box.low.lon + box.high.lon) / 2, GEO_LON_MAX)
    pos.lat = _within((box.low.lat + box.high.lat) / 2, GEO_LAT_MAX)
    return pos


cdef void geo_text(double score, char *text_out) noexcept nogil:
    """Write the standard geohash, whose grid reaches to the poles.

    Its 52 bits are ten characters and two bits more, which are given as 0.
    """
    cdef cell_t cell = _cell_at(geo_position(score), 90.0, STEP_MAX)
    cdef uint64_t bits = _interleave(&cell)
    cdef int i
    for i in range(GEO_TEXT_LEN - 1):
        text_out[i] = ALPHABET[(bits >> (52 - 5 * (i + 1))) & 31]
    text_out[GEO_TEXT_LEN - 1] = ALPHABET[0]


# --- Distances --------------------------------------------------------------------


cdef inline double _radians(double degrees) noexcept nogil:
    return degrees * (M_PI / 180.0)


cdef inline double _degrees(double radians) noexcept nogil:
    return radians / (M_PI / 180.0)


cdef inline double _lat_distance(double a, double b) noexcept nogil:
    """Return the distance along a meridian."""
    return GEO_EARTH_RADIUS * fabs(_radians(b) - _radians(a))


cdef double geo_distance(geo_pos_t a, geo_pos_t b) noexcept nogil:
    """Return the length of the great circle between two positions (haversine)."""
    cdef double v = sin((_radians(b.lon) - _radians(a.lon)) / 2)
    cdef double lat_a, lat_b, u, h
    if v == 0.0:
        return _lat_distance(a.lat, b.lat)
    lat_a = _radians(a.lat)
    lat_b = _radians(b.lat)
    u = sin((lat_b - lat_a) / 2)
    h = u * u + cos(lat_a) * cos(lat_b) * v * v
    return 2.0 * GEO_EARTH_RADIUS * asin(sqrt(h))


# --- Areas ------------------------------------------------------------------------


cdef bint _in_polygon(const geo_shape_t *shape, geo_pos_t pos) noexcept nogil:
    """Return whether a ray to the east crosses an odd number of edges."""
    cdef bint is_inside = False
    cdef geo_pos_t a
    cdef geo_pos_t b = shape.points[shape.npoints - 1]
    cdef int i
    for i in range(shape.npoints):
        a = shape.points[i]
        if (a.lat > pos.lat) != (b.lat > pos.lat) and pos.lon < (
                (b.lon - a.lon) * (pos.lat - a.lat) / (b.lat - a.lat) + a.lon):
            is_inside = not is_inside
        b = a
    return is_inside


cdef bint _contains(
    const geo_shape_t *shape, const box_t *box, geo_pos_t pos, double *distance_out
) noexcept nogil:
    """Return whether a position is in the area, and how far from its centre.

    box: outside of it is no position of a circle, which spares most of the sines.
    """
    cdef geo_pos_t level
    if shape.kind == GEO_CIRCLE:
        if pos.lat < box.low.lat or pos.lat > box.high.lat \
                or pos.lon < box.low.lon or pos.lon > box.high.lon:
            return False
        distance_out[0] = geo_distance(shape.center, pos)
        return distance_out[0] <= shape.radius
    if shape.kind == GEO_BOX:
        if _lat_distance(pos.lat, shape.center.lat) > shape.height / 2:
            return False
        # its width is measured at the height of the position
        level.lon = shape.center.lon
        level.lat = pos.lat
        if geo_distance(pos, level) > shape.width / 2:
            return False
    elif not _in_polygon(shape, pos):
        return False
    distance_out[0] = geo_distance(shape.center, pos)
    return True


cdef box_t _polygon_bounds(geo_shape_t *shape) noexcept nogil:
    """Return a box around a polygon, and set its centre: the mean of its corners."""
    cdef double x = 0, y = 0, z = 0, lon, lat
    cdef geo_pos_t p
    cdef box_t box
    cdef int i
    box.low = box.high = shape.points[0]
    for i in range(shape.npoints):
        p = shape.points[i]
        box.low.lon = min(box.low.lon, p.lon)
        box.low.lat = min(box.low.lat, p.lat)
        box.high.lon = max(box.high.lon, p.lon)
        box.high.lat = max(box.high.lat, p.lat)
        lon = _radians(p.lon)
        lat = _radians(p.lat)
        x += GEO_EARTH_RADIUS * cos(lat) * cos(lon)
        y += GEO_EARTH_RADIUS * cos(lat) * sin(lon)
        z += GEO_EARTH_RADIUS * sin(lat)
    x /= shape.npoints
    y /= shape.npoints
    z /= shape.npoints
    shape.center.lon = _degrees(atan2(y, x))
    shape.center.lat = _degrees(atan2(z, sqrt(x * x + y * y)))
    return box


cdef box_t _bounds(geo_shape_t *shape) noexcept nogil:
    """Return a box around an area.

    Its edges to the west and to the east are those at the latitude where they are
    farthest from the centre: the one nearer to the pole.
    """
    cdef double width = shape.radius, height = shape.radius
    cdef double dlat, dlon, lat = shape.center.lat
    cdef box_t box
    if shape.kind == GEO_POLYGON:
        return _polygon_bounds(shape)
    if shape.kind == GEO_BOX:
        width = shape.width / 2
        height = shape.height / 2
    dlat = _degrees(height / GEO_EARTH_RADIUS)
    dlon = _degrees(
        width / GEO_EARTH_RADIUS
        / cos(_radians(lat - dlat if lat < 0 else lat + dlat)))
    box.low.lon = shape.center.lon - dlon
    box.high.lon = shape.center.lon + dlon
    box.low.lat = lat - dlat
    box.high.lat = lat + dlat
    return box


cdef box_t _circle_box(geo_shape_t *shape) noexcept nogil:
    """Return a box that holds all of a circle, a hair too large.

    It is the whole map to the west and to the east where the circle reaches over the
    edge of the map, or near a pole.
    """
    cdef box_t box = _bounds(shape)
    cdef double hair
    box.low.lat -= GEO_HAIR
    box.high.lat += GEO_HAIR
    hair = (box.high.lon - box.low.lon) * GEO_HAIR + GEO_HAIR
    box.low.lon -= hair
    box.high.lon += hair
    if box.low.lat < -GEO_LAT_SAFE or box.high.lat > GEO_LAT_SAFE \
            or box.low.lon < -GEO_LON_MAX or box.high.lon > GEO_LON_MAX:
        box.low.lon = -GEO_LON_MAX
        box.high.lon = GEO_LON_MAX
    return box


cdef double _reach(const geo_shape_t *shape, const box_t *box) noexcept nogil:
    """Return how far the area extends from its centre, at the most."""
    cdef geo_pos_t a, b
    if shape.kind == GEO_CIRCLE:
        return shape.radius
    if shape.kind == GEO_BOX:
        return sqrt((shape.width / 2) * (shape.width / 2)
                    + (shape.height / 2) * (shape.height / 2))
    a.lon = box.low.lon
    a.lat = box.high.lat
    b.lon = box.high.lon
    b.lat = box.low.lat
    return fmax(fmax(geo_distance(shape.center, a), geo_distance(shape.center, b)),
                fmax(geo_distance(shape.center, box.low),
                     geo_distance(shape.center, box.high)))


cdef int _step_for(double reach, double lat) noexcept nogil:
    """Return the finest grid in which nine cells usually cover so far a reach."""
    cdef int step = 1
    if reach == 0:
        return STEP_MAX
    while reach < GEO_MERCATOR_MAX:
        reach *= 2
        step += 1
    step -= 2
    # towards the poles cells are narrower
    if fabs(lat) > 66:
        step -= 1
        if fabs(lat) > 80:
            step -= 1
    return min(max(step, 1), STEP_MAX)


cdef bint _is_covered(const cell_t *center, const box_t *box) noexcept nogil:
    """Return whether a cell's neighbours reach to the edges of a box."""
    cdef cell_t north = _beside(center, 0, 1), south = _beside(center, 0, -1)
    cdef cell_t east = _beside(center, 1, 0), west = _beside(center, -1, 0)
    return not (_box_of(&north).high.lat < box.high.lat
                or _box_of(&south).low.lat > box.low.lat
                or _box_of(&east).high.lon < box.high.lon
                or _box_of(&west).low.lon > box.low.lon)


cdef void _cells_for(geo_shape_t *shape, cell_t *cells) noexcept nogil:
    """Find the nine cells to search; those that cannot matter have step 0."""
    cdef box_t box = _bounds(shape)
    cdef int step = _step_for(_reach(shape, &box), shape.center.lat), i
    cdef cell_t center = _cell_at(shape.center, GEO_LAT_MAX, step)
    cdef box_t own
    if step > 1 and not _is_covered(&center, &box):
        step -= 1
        center = _cell_at(shape.center, GEO_LAT_MAX, step)
    own = _box_of(&center)
    for i in range(NCELLS):
        cells[i] = _beside(&center, TO_EAST[i], TO_NORTH[i])
        if step >= 2 and (
                (TO_NORTH[i] < 0 and own.low.lat < box.low.lat)
                or (TO_NORTH[i] > 0 and own.high.lat > box.high.lat)
                or (TO_EAST[i] < 0 and own.low.lon < box.low.lon)
                or (TO_EAST[i] > 0 and own.high.lon > box.high.lon)):
            cells[i].step = 0


# --- Search -----------------------------------------------------------------------


cdef bint _search_cell(
    zset_t z, const geo_shape_t *shape, const box_t *box, const cell_t *cell,
    geo_visit_fn visit, void *ctx
) noexcept nogil:
    """Visit the members of a cell that lie in the area; False: that is enough."""
    cdef int shift = 2 * (STEP_MAX - cell.step)
    cdef uint64_t bits = _interleave(cell)
    cdef double low = <double>(bits << shift), high = <double>((bits + 1) << shift)
    cdef double distance
    cdef geo_pos_t pos
    cdef zset_iter_t it
    cdef zset_entry_t entry
    zset_seek(z, zset_count_below(z, BPT_BEFORE_SCORE, low, NULL, 0), False, &it)
    while zset_next(&it, &entry) and entry.score < high:
        pos = geo_position(entry.score)
        if _contains(shape, box, pos, &distance) \
                and not visit(ctx, &entry, pos, distance):
            return False
    return True


cdef void geo_search(
    zset_t z, geo_shape_t *shape, geo_visit_fn visit, void *ctx
) noexcept nogil:
    """Visit the members that lie in an area."""
    cdef cell_t cells[NCELLS]
    cdef int i, last = 0
    cdef box_t box
    _cells_for(shape, cells)
    if shape.kind == GEO_CIRCLE:
        box = _circle_box(shape)
    for i in range(NCELLS):
        if cells[i].step == 0:
            continue
        # in a grid of 2 by 2 the neighbours to both sides are the same
        if last and cells[i].x == cells[last].x and cells[i].y == cells[last].y:
            continue
        if not _search_cell(z, shape, &box, &cells[i], visit, ctx):
            return
        last = i
