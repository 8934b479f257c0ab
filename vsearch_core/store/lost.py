"""An index without its catalog, and files without their names: what is left of them is hours of embedding, perhaps."""

from pathlib import Path

from vsearch_core.errors import IndexNotFoundError
from vsearch_core.store.schema import CATALOG_FILE
from vsearch_core.store.segment import segment_folders


def is_lost(index: Path) -> bool:
    """Whether segments are here and no catalog is: a new index would sweep them.

    What an interrupted import leaves has a catalog of its own.
    """
    if (index / CATALOG_FILE).exists():
        return False
    folders = segment_folders(index)
    return any((folder / "vectors.npy").exists() for folder in folders) and not any(
        (folder / CATALOG_FILE).exists() for folder in folders
    )


def refuse_lost(index: Path) -> None:
    """Raise IndexNotFoundError where an index has lost its catalog, without which its segments mean nothing."""
    if is_lost(index):
        raise IndexNotFoundError(
            str(index),
            f"its {CATALOG_FILE} is gone, its segments are still there",
            "catalog-lost",
        )


def lost_and_found(index: Path) -> str:
    """The folder that files which have lost their names are said to be in: one in which nothing is ever indexed."""
    return f"{index.name}/lost/"
