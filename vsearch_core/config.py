"""Every default in one place."""

import os
from pathlib import Path

INDEX_DIR = ".vsearch"

CHUNK_WORDS = 500
OVERLAP_WORDS = 50
MAX_FILE_SIZE = 50_000_000  # bytes
LANGUAGE = "auto"  # each passage's own: docs/adr/0020-operators-and-languages.md

EMBEDDER = "local"
MODEL = "sentence-transformers/all-MiniLM-L6-v2"

MODES = ("hybrid", "vector", "keyword")
FUSIONS = ("convex", "rrf")
K = 10
CANDIDATES = 100  # each route's list before fusion
EF = 384  # candidates of a walk: 99 % of the ten best are the scan's: docs/adr/0008-when-a-query-walks-the-graph.md
FUSION_ALPHA = 0.5  # the vectors' share in the convex combination: docs/adr/0003-convex-fusion.md
RRF_K = 60
BM25_K1 = 1.2  # docs/adr/0021-keywords-by-maxscore.md
BM25_B = 0.75


def cache_dir() -> Path:
    """The folder for what can be made again (models): `VSEARCH_CACHE_DIR`, else the platform's cache folder."""
    override = os.environ.get("VSEARCH_CACHE_DIR")
    if override:
        return Path(override)
    from platformdirs import user_cache_path

    return user_cache_path("vsearch", appauthor=False)
