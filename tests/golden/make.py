"""Rewrite a golden index: a small index, a query, and its hits. Run as `python tests/golden/make.py v1-ivf`.

Only for a format that is not released yet: the golden indexes of released formats never change.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from support import WordEmbedder, make_index  # noqa: E402

from vsearch_core.index.limits import IndexLimits  # noqa: E402
from vsearch_core.index.settings import IndexOptions  # noqa: E402
from vsearch_core.index.snapshot import open_snapshot  # noqa: E402
from vsearch_core.search.local import LocalSearcher  # noqa: E402
from vsearch_core.search.pipeline import EmbeddedQuery, search  # noqa: E402
from vsearch_core.search.request import SearchRequest  # noqa: E402

OPTIONS = {  # of each golden index, by its folder
    "v1": (IndexOptions(chunk_words=100, overlap_words=0), IndexLimits()),
    "v1-ivf": (IndexOptions(chunk_words=100, overlap_words=0, ann="ivf"), IndexLimits(graph_rows=10)),
    "v1-codes": (IndexOptions(chunk_words=100, overlap_words=0, vectors="none"), IndexLimits(coded_rows=10)),
    "v1-pq16": (IndexOptions(chunk_words=100, overlap_words=0, ann="pq8"), IndexLimits(graph_rows=10)),
}
QUERY = "drain the pump"
DOCUMENTS = {
    "notes/pump.md": "---\ntags: [water]\n---\n# Pump\n\nIt needs grease.\n\n## Winter\n\nDrain the pump in autumn.\n",
    "notes/bread.txt": "Rye bread needs time, and a hot oven.\n",
    "code/client.py": "def getUserName(number):\n    return directory[number]\n",
    "磨刀.md": "# 磨刀\n\n磨刀石要先在水里浸泡十分钟。\n",
    "empty.txt": "",
    "picture.dat": "\0\1\2",  # skipped
    "years.txt": "\n\n".join(f"In {year} the river stood high at the mill." * 12 for year in range(1900, 1912)),
}


def main(golden: str) -> None:
    target = HERE / golden
    options, limits = OPTIONS[golden]
    embedder = WordEmbedder(dimension=16)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, text in DOCUMENTS.items():
            (root / "documents" / name).parent.mkdir(parents=True, exist_ok=True)
            (root / "documents" / name).write_text(text, encoding="utf-8")
        make_index(root, embedder, Path("documents"), options=options, limits=limits)
        (root / "documents/notes/bread.txt").write_text("Rye bread needs time, and patience.\n", encoding="utf-8")
        make_index(root, embedder, limits=limits)  # a second segment, and a tombstone in the first
        vector = embedder.embed_queries([QUERY])[0]
        with open_snapshot(root / ".vsearch") as snapshot:
            searcher = LocalSearcher(snapshot)
            hits = {
                mode: [
                    [hit.path, hit.chunk, round(hit.score, 4)]
                    for hit in search(searcher, SearchRequest(QUERY, mode=mode), lambda _: EmbeddedQuery(vector)).hits
                ]
                for mode in ("keyword", "vector")
            }
        shutil.rmtree(target, ignore_errors=True)
        ignored = shutil.ignore_patterns("writer.lock", ".gitignore", "*-wal", "*-shm")
        shutil.copytree(root / ".vsearch", target / "index", ignore=ignored)
    expected = {"question": QUERY, "vector": [round(float(value), 6) for value in vector], "hits": hits}
    (target / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
