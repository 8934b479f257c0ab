"""A commit: staged files become a segment and go live, and what they replace goes dead, in one transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.index.keywords import passage_postings
from vsearch_core.lexical.analysis import Analysis
from vsearch_core.store.catalog import Catalog, FileRecord
from vsearch_core.store.segment import SEGMENTS_DIR, open_segment, sweep_orphans, write_segment
from vsearch_core.store.tables import LINEAGE, start_lineage
from vsearch_core.store.vectors import delete_vector_file, re_embedding_file


@dataclass(frozen=True, slots=True)
class Leaving:
    """Live files, and sources by stored path, that are there no more and leave the index."""

    files: Sequence[FileRecord] = ()
    sources: Sequence[str] = ()


def commit_staged(
    catalog: Catalog,
    analysis: Analysis,
    leaving: Leaving = Leaving(),
    *,
    last: bool = False,
) -> None:
    """Seal the staged files whose chunks all have vectors into a segment, in place of their former versions.

    Of what is `leaving`, files that have only moved go in the same transaction; at the run's last commit, all. A source
    goes with its files, not before: it is what tells the next run that they are gone, should this one stop.
    """
    file_ids = catalog.complete_files()
    buried = _replaced(catalog, file_ids, leaving.files, last=last)
    moved = {record.path for record in leaving.files if record.id in buried}
    dropped = [path for path in leaving.sources if last or path in moved]
    if not file_ids and not buried and not dropped:
        return
    arrays = _segment_arrays(catalog, file_ids, analysis)
    rows = len(arrays["chunk_ids"])
    written = write_segment(catalog.index, arrays, catalog.settings()) if rows else None
    with catalog.transaction():
        bury(catalog, buried)
        if written is not None:
            catalog.add_segment(written[0], rows, written[1])
        catalog.publish_files(file_ids)
        for path in dropped:
            catalog.drop_source(path)
        mark_commit(catalog)


def bury(catalog: Catalog, file_ids: Sequence[int]) -> None:
    """Set the tombstones of the files' rows and forget the files, live or staged; part of a commit's transaction."""
    if not file_ids:
        return
    for segment in catalog.segments():
        only = {"file_ids": segment.manifest["file_ids"]}
        gone = np.isin(open_segment(catalog.index, segment.name, only)["file_ids"], file_ids)
        if gone.any():
            catalog.set_tombstones(segment.id, gone if segment.tombstones is None else segment.tombstones | gone)
    catalog.delete_files(file_ids)


def mark_commit(catalog: Catalog) -> None:
    """Count a generation; part of a commit's transaction."""
    if LINEAGE not in catalog.settings():  # an index of an earlier version
        start_lineage(catalog.connection)
    catalog.put_setting("generation", str(catalog.generation + 1))
    catalog.put_setting("last_commit", datetime.now(UTC).isoformat(timespec="seconds"))


def are_there(index: Path, segments: Iterable[str]) -> bool:
    """Whether the named segments all have a folder; not so where a catalog was put back from a backup, say."""
    return all((index / SEGMENTS_DIR / name).is_dir() for name in segments)


def sweep(catalog: Catalog) -> None:
    """Delete the segment folders that no commit names, and what a re-embedding that is committed has left.

    Where a named one is missing, the others may have what it had: they are for `repair` to look through.
    """
    named = {segment.name for segment in catalog.segments()}
    if are_there(catalog.index, named):
        sweep_orphans(catalog.index, named)
    done = re_embedding_file(catalog.index, catalog.settings())
    if done.exists():
        delete_vector_file(done)


def _segment_arrays(catalog: Catalog, file_ids: Iterable[int], analysis: Analysis) -> dict[str, NDArray[Any]]:
    """A segment's files: vectors (n, dimension) int16 (`flat.to_fixed`), chunk and file ids (n,), and the postings."""
    chunk_ids: list[int] = []
    files_of_rows: list[int] = []
    vectors: list[bytes] = []
    for chunk_id, file_id, vector in catalog.staged_rows(file_ids):
        chunk_ids.append(chunk_id)
        files_of_rows.append(file_id)
        vectors.append(vector)
    matrix = np.frombuffer(b"".join(vectors), np.int16).reshape(len(chunk_ids), -1 if chunk_ids else 0)
    ids = {"chunk_ids": np.array(chunk_ids, np.int64), "file_ids": np.array(files_of_rows, np.int64)}
    return {"vectors": matrix, **ids, **passage_postings(catalog, analysis, chunk_ids).arrays()}


def _replaced(catalog: Catalog, file_ids: Iterable[int], gone: Sequence[FileRecord], *, last: bool) -> list[int]:
    """The live files that a commit of the staged ones buries."""
    live = catalog.files(live=True)
    staged = {record.id: record for record in catalog.files(live=False).values()}
    new = [staged[file_id] for file_id in file_ids]
    content = {record.hash for record in new}
    former = [live[record.path].id for record in new if record.path in live]
    still_there = {record.id for record in live.values()}
    left = [record.id for record in gone if record.id in still_there and (last or record.hash in content)]
    return former + left
