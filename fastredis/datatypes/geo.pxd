# SPDX-License-Identifier: BSD-3-Clause
"""Positions on the Earth as scores of a sorted set, and searches by area. See geo.pyx.

Longitudes and latitudes are in degrees, distances in metres.
"""
from fastredis.datatypes.t_zset cimport zset_entry_t, zset_t

cdef enum:
    GEO_TEXT_LEN = 11           # characters of a standard geohash

cdef struct geo_pos_t:
    double lon
    double lat

cdef enum geo_kind_t:
    GEO_CIRCLE = 0
    GEO_BOX = 1
    GEO_POLYGON = 2

cdef struct geo_shape_t:
    geo_kind_t kind
    geo_pos_t center            # of a polygon: computed by geo_search
    double radius               # of a circle
    double width                # of a box
    double height
    const geo_pos_t *points     # corners of a polygon, borrowed
    int npoints

# Takes a member that lies in the area; False ends the search.
ctypedef bint (*geo_visit_fn)(
    void *ctx, const zset_entry_t *entry, geo_pos_t pos, double distance
) noexcept nogil

# Can the position be stored? (Not near the poles.)
cdef bint geo_is_valid(geo_pos_t pos) noexcept nogil
cdef double geo_score(geo_pos_t pos) noexcept nogil
cdef geo_pos_t geo_position(double score) noexcept nogil
cdef double geo_distance(geo_pos_t a, geo_pos_t b) noexcept nogil
# the standard geohash of a score's position; without NUL
cdef void geo_text(double score, char *text_out) noexcept nogil
# visit the members within an area, cell by cell; distances are from its centre
cdef void geo_search(
    zset_t z, geo_shape_t *shape, geo_visit_fn visit, void *ctx
) noexcept nogil
