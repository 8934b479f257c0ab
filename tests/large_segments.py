"""An index with a segment that is large by its limits, for tests of graphs and inverted lists."""

from pathlib import Path

from vsearch_core.index.limits import IndexLimits
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.index.status import Status, read_status

LIMITS = IndexLimits(graph_rows=100)
SMALL = IndexOptions(chunk_words=20, overlap_words=0)
DOCS = Path("docs")


def write(root: Path, name: str, paragraphs: int) -> None:
    (root / "docs").mkdir(exist_ok=True)
    texts = (" ".join(f"{name}{number}word{part}" for part in range(19)) + "." for number in range(paragraphs))
    (root / "docs" / f"{name}.txt").write_text("\n\n".join(texts), encoding="utf-8")


def write_documents(root: Path) -> Path:
    """Write documents of 170 chunks, more than a small segment has by these limits."""
    write(root, "large", 150)
    write(root, "small", 20)
    return root


def status(root: Path) -> Status:
    with open_snapshot(root / ".vsearch") as snapshot:
        return read_status(snapshot)


def segment_names(root: Path) -> list[str]:
    with open_snapshot(root / ".vsearch") as snapshot:
        return [segment.name for segment in snapshot.segments]
