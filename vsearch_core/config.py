"""Default values of options, and the folders outside an index that vsearch uses."""

from pathlib import Path

INDEX_DIR = ".vsearch"
CONFIG_FILE = "config.toml"  # defaults: the project's in its index folder, the user's in the platform's folder

CHUNK_WORDS = 500
OVERLAP_WORDS = 50
MAX_FILE_SIZE = 50_000_000  # bytes
LANGUAGE = "auto"  # detect each chunk's language: docs/adr/0020-operators-and-languages.md

EMBEDDER = "local"
MODEL = "sentence-transformers/all-MiniLM-L6-v2"

SHARED_BYTES = 1_000_000_000  # of the vectors that a user's indexes share: a million of the default model

MODES = ("hybrid", "vector", "keyword")
FUSIONS = ("convex", "rrf")
K = 10
RERANKED = 40  # candidates that a reranker scores
PACKED_HITS = 100  # hits to choose from when results are packed into a number of tokens
CANDIDATES = 100  # each route's list before fusion
EF = 384  # default `ef_search`: finds 99 % of the true ten nearest: docs/adr/0008-scan-or-graph.md
MAX_DIMENSION = 65_536  # of vectors
MAX_EF_SEARCH = 65_536
ANN_CHOICES = ("auto", "graph", "ivf", "flat", "pq")  # how vectors are searched: docs/adr/0044-inverted-lists.md, 0046
VECTORS_CHOICES = ("keep", "none")  # of an index: docs/adr/0064-archive-indexes.md
PQ_BYTES = (8, 64, 256)  # of a code of product quantisation: at least, by default, at most
NPROBE = 256  # default `nprobe` of inverted lists: docs/adr/0044-inverted-lists.md
MAX_NPROBE = 65_536
INTERIM_ALPHA = 0.5  # the same for interim vectors: docs/adr/0065-static-vectors-first.md
FUSION_ALPHA = 0.75  # weight of vector scores in convex fusion: docs/adr/0024-fusion-weight.md
RRF_K = 60
BM25_K1 = 1.2  # docs/adr/0021-keywords-by-maxscore.md
BM25_B = 0.75


def default_cache_dir() -> Path:
    """Return vsearch's cache folder on this platform, such as `~/.cache/vsearch` on Linux.

    Everything in it can be downloaded or computed again.
    """
    from platformdirs import user_cache_path

    return user_cache_path("vsearch", appauthor=False)


def default_state_dir() -> Path:
    """Return vsearch's state folder on this platform, such as `~/.local/state/vsearch` on Linux.

    It records the user's decisions, such as the folders outside a project that an index may read.
    """
    from platformdirs import user_state_path

    return user_state_path("vsearch", appauthor=False)
