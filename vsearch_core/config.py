"""Every default in one place."""

from pathlib import Path

INDEX_DIR = ".vsearch"
CONFIG_FILE = "config.toml"  # in an index's folder the project's defaults, in the platform's folder the user's

CHUNK_WORDS = 500
OVERLAP_WORDS = 50
MAX_FILE_SIZE = 50_000_000  # bytes
LANGUAGE = "auto"  # each passage's own: docs/adr/0020-operators-and-languages.md

EMBEDDER = "local"
MODEL = "sentence-transformers/all-MiniLM-L6-v2"

SHARED_BYTES = 1_000_000_000  # of vectors that a user's projects share; a million of the default model's

MODES = ("hybrid", "vector", "keyword")
FUSIONS = ("convex", "rrf")
K = 10
RERANKED = 40  # candidates that a re-ranker judges
PACKED_HITS = 100  # how many hits are looked at to fill a budget of tokens
CANDIDATES = 100  # each route's list before fusion
EF = 384  # candidates of a walk: 99 % of the ten best are the scan's: docs/adr/0008-scan-or-graph.md
MAX_EF_SEARCH = 65_536  # candidates of a graph search
FUSION_ALPHA = 0.75  # the vectors' share in the convex combination: docs/adr/0024-fusion-weight.md
RRF_K = 60
BM25_K1 = 1.2  # docs/adr/0021-keywords-by-maxscore.md
BM25_B = 0.75


def default_cache_dir() -> Path:
    """Return the platform's cache folder for vsearch: everything in it can be made again."""
    from platformdirs import user_cache_path

    return user_cache_path("vsearch", appauthor=False)


def default_state_dir() -> Path:
    """Return the platform's state folder for vsearch: what the user has allowed on this machine."""
    from platformdirs import user_state_path

    return user_state_path("vsearch", appauthor=False)
