"""Named tuples of arrays that kernels take as one argument; numba compiles functions with named tuples."""

from typing import Any, NamedTuple


class GraphArrays(NamedTuple):
    """The arrays of a graph (see `ann.hnsw.Graph`).

    `neighbors` (nodes, degree) uint32, padded with NO_NODE; `sketches` (nodes, width) uint8; `entries` (e,) uint32.
    """

    neighbors: Any
    sketches: Any
    entries: Any


class StoredRows(NamedTuple):
    """A segment's vectors, and the rows that each node of its graph stands for.

    `vectors` (n, d) int16 in fixed point; a node stands for the rows order[starts[node] : starts[node + 1]], which all
    have the same vector. `allowed` (n,) bool marks the rows that may be found; if it is empty, all may.
    """

    vectors: Any
    order: Any
    starts: Any
    allowed: Any


class CodecArrays(NamedTuple):
    """The parameters of sketches (see `ann.sketch.Codec`).

    `basis` (m, d padded) uint8, `digits` (m,) uint8, `gains` (m,) float32, `centre` (d,) int16; `least_scale` and
    `error` float32.
    """

    basis: Any
    digits: Any
    gains: Any
    centre: Any
    least_scale: Any
    error: Any


class Scratch(NamedTuple):
    """Scratch memory for graph searches or scans that a thread runs one after the other.

    `pool` (POOL_BLOCK + ef,) int64 has the candidates as keys (see `keys`), after POOL_BLOCK guard slots. `visited`
    (nodes / 32,) uint32 has one bit for each visited node. `unseen` (2 * (degree + 1),) uint32 are the unvisited
    neighbours of the two nodes that were expanded last. `weights` (4 * width,) int8 is a result of `query_weights`.
    Three arrays are only used within one step: `query_codes` (d padded,) int8, `components` (m,) float32 and `good`
    (degree + 1,) int64 keys.
    """

    pool: Any
    visited: Any
    unseen: Any
    weights: Any
    query_codes: Any
    components: Any
    good: Any


class Sq8Rows(NamedTuple):
    """Vectors as SQ8 codes (see `ann.sq8`).

    `codes` (r, d padded) uint8; `norms` (r,) int32, their squared lengths; `limit`, the value of the largest code.
    """

    codes: Any
    norms: Any
    limit: Any


class PostingArrays(NamedTuple):
    """The postings of one segment (see `lexical.postings.Postings`).

    `rows` (p,), `counts` (p,) uint8, `block_counts` (b,) uint8 and `block_ratios` (b,) uint16 are its arrays.
    `saturations` (n,) float32 has BM25's k1 * (1 - b + b * length / mean length) for each of the n rows.
    """

    rows: Any
    counts: Any
    block_counts: Any
    block_ratios: Any
    saturations: Any


class TermTable(NamedTuple):
    """The t terms that were looked up so far, in all segments.

    `idf` (t,) float64 is the idf of each term. `spans` (t, segments, 2) int64 is the start and end of its list of
    postings in each segment. `gains` (t, segments) float32 is the largest share of the idf that one posting of the list
    adds to a score.
    """

    idf: Any
    spans: Any
    gains: Any


class SaturationScale(NamedTuple):
    """The two float32 numbers of BM25's saturation: that of a row is constant + factor * length.

    `constant` is k1 * (1 - b), and `factor` is k1 * b / mean length.
    """

    constant: Any
    factor: Any


class Window(NamedTuple):
    """The postings of a query's t terms in a window of consecutive rows.

    The postings of term i are those from starts[i] to ends[i] (exclusive), (t,) int64, in the segment's postings.
    rest[i], (t + 1,) int64, is the most that term i and the terms after it together add to the score of a row there.
    """

    starts: Any
    ends: Any
    rest: Any


class PqArrays(NamedTuple):
    """Inverted lists of PQ codes (see `ann.pq.PqLists`).

    `centroids` (lists, d) int16 and `stops` (lists + 1,) uint32 are the lists, and `blocks` (b, bytes, PQ_BLOCK) uint8
    the codes. `rotation` (c, d) int16 and `books` (m, s, t) float32 are the quantiser: t is PQ_CENTROIDS, and then m is
    the number of bytes, or PQ_FEW_CENTROIDS, and then m is twice that or one less. `error` float32 is the standard
    error of an estimated dot product of unit vectors.
    """

    centroids: Any
    stops: Any
    blocks: Any
    rotation: Any
    books: Any
    error: Any
