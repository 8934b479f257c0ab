"""The groups of arrays that travel together through kernels; numba takes named tuples as they are."""

from typing import Any, NamedTuple


class GraphArrays(NamedTuple):
    """A graph, as `ann.hnsw.Graph` describes it.

    `neighbors` (nodes, degree) uint32, padded with NO_NODE; `sketches` (nodes, width) uint8; `entries` (e,) uint32.
    """

    neighbors: Any
    sketches: Any
    entries: Any


class StoredRows(NamedTuple):
    """A segment's vectors, and which rows each node of its graph stands for.

    `vectors` (n, d) int16 in fixed point; a node stands for the rows order[starts[node] : starts[node + 1]], which all
    have the same vector. `allowed` (n,) bool marks the rows that may be found; if it is empty, all may.
    """

    vectors: Any
    order: Any
    starts: Any
    allowed: Any


class CodecArrays(NamedTuple):
    """The codec of sketches, as `ann.sketch.Codec` describes it.

    `basis` (m, d padded) uint8, `digits` (m,) uint8, `gains` (m,) float32, `centre` (d,) int16; `least_scale` and
    `error` float32.
    """

    basis: Any
    digits: Any
    gains: Any
    centre: Any
    least_scale: Any
    error: Any


class Lanes(NamedTuple):
    """Scratch memory for several graph searches that one thread runs in turns, each in its own lane.

    `pools` (lanes * (POOL_BLOCK + ef),) int64 keys; `visited` (lanes, nodes / 32) uint32, a bit for each node;
    `unseen` (lanes, degree + 1) uint32 nodes whose sketches have been prefetched; `weights` (lanes * 4 * width,) int8
    and `units` (lanes,) float32 as `query_weights` makes them; `state` (lanes, 5) int64, whose columns are PHASE,
    QUERY, EXCESS, NODE and COUNT. The rest is used within one step: `query_codes` (d padded,) int8, `components` (m,)
    float32, `good` (degree + 1,) int64 keys.
    """

    pools: Any
    visited: Any
    unseen: Any
    weights: Any
    units: Any
    state: Any
    query_codes: Any
    components: Any
    good: Any


class Sq8Rows(NamedTuple):
    """SQ8 codes: `codes` (r, d padded) uint8, and `norms` (r,) int32, their squared lengths."""

    codes: Any
    norms: Any


class PostingArrays(NamedTuple):
    """One segment's postings, as `lexical.postings.Postings` describes them.

    `rows` (p,), `counts` (p,) uint8, `block_counts` (b,) uint8, `block_ratios` (b,) uint16, and `saturations` (n,)
    float32, BM25's k1 * (1 - b + b * length / mean length) of each row.
    """

    rows: Any
    counts: Any
    block_counts: Any
    block_ratios: Any
    saturations: Any


class TermTable(NamedTuple):
    """The terms that were looked up so far, over all segments.

    `idf` (t,) float64; `spans` (t, segments, 2) int64, where each term's list starts and ends; `gains` (t, segments)
    float32, the highest share of its idf that one of the list's postings adds to a score.
    """

    idf: Any
    spans: Any
    gains: Any


class SaturationScale(NamedTuple):
    """Saturation is constant + factor * length: `constant` is k1 * (1 - b), `factor` k1 * b / mean length (float32)."""

    constant: Any
    factor: Any


class Window(NamedTuple):
    """The postings of each query term within a window of rows.

    `starts` and `ends` (t,) int64 are places in the segment's postings; `rest` (t + 1,) int64 is the most that this
    term and those after it can add to a score there.
    """

    starts: Any
    ends: Any
    rest: Any
