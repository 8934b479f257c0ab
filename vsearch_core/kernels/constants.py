"""Constants that the kernels and the Python code that calls them share. Importing this module does not load numba."""

CACHE_LINE = 64  # bytes; codes and sketches are padded to whole cache lines
FIXED_ONE = 32_767  # 1.0 as int16 fixed point
NO_NODE = 0xFFFFFFFF  # pads a list of neighbours that is shorter than the graph's degree
SQ8_ZERO = 128  # 0.0 as an SQ8 code or as an element of a sketch's basis
SCORE_BITS = 24  # of a BM25 score in units, which a float32 holds exactly
BLOCK_POSTINGS = 128  # consecutive postings that share a bound on their contribution to a score
POOL_BLOCK = 8  # keys: a pool's capacity is a multiple of it, and that many guard slots precede the pool
LAST_KEY = 0x7FFFFFFFFFFFFFFF  # fills the free places of a pool: sorts behind every key, and counts as expanded
PQ_BLOCK = 64  # rows whose PQ codes are stored and compared together
PQ_CENTROIDS = 256  # of each sub-vector, so that its number is a byte
PQ_FEW_CENTROIDS = 16  # of each sub-vector in the other kind of codes: its number is half a byte
