"""Write an index on a server through a folder on this machine in which documents are staged.

The folder is an index as any other, but it keeps no texts and vectors of committed files. A run
first makes it list the files that the server has (`pull`). Then documents are read, embedded and committed there as
usual. After each commit, `push` brings the new files to the server, in one transaction, and forgets their chunks here.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsearch_core.errors import IndexMismatchError, IndexNotFoundError, InputError
from vsearch_core.index.commit import sweep
from vsearch_core.index.compaction import CompactionSummary
from vsearch_core.index.limits import DEFAULT_LIMITS, IndexLimits
from vsearch_core.index.pictures import IMAGE_MODEL, PICTURE_SCALE
from vsearch_core.index.settings import ANALYZER, FUSION, VECTOR_SCALE, IndexSettings
from vsearch_core.index.snapshot import SegmentView, view_segment
from vsearch_core.own_files import delete_folder
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.files import make_folder
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.raw_rows import (
    Row,
    chunk_hashes,
    chunk_rows,
    file_rows,
    forget_chunks,
    mirror_rows,
    skipped_rows,
    source_rows,
)
from vsearch_core.store.records import Record
from vsearch_core.store.reuse import known_vectors
from vsearch_core.store.server.address import ServerAddress
from vsearch_core.store.server.engines import open_writer
from vsearch_core.store.server.postings import TermPostings
from vsearch_core.store.server.tables import (
    FIRST_SEGMENT,
    LANGUAGES,
    NEXT_CHUNK,
    NEXT_FILE,
    NEXT_SEGMENT,
    ROOT,
    ROWS,
    TERMS,
    WINDOWS,
)
from vsearch_core.store.server.writing import MOST_SEGMENTS, ServerSegment, ServerWriter
from vsearch_core.store.tables import CATALOG_FILE, LINEAGE
from vsearch_core.store.texts import unpack_text

_MIRRORED = "server_state"  # the setting of the folder with the state of the server that it lists
COPIED_FROM = "copied_from"  # the setting with the lineage of the index that this one is a copy of
_SHARED = (  # settings that the folder and the server have in common
    *("fingerprint", "model", "chunker", "chunk_words", "overlap_words", "language", ANALYZER, "base_url", "ann"),
    *(FUSION, VECTOR_SCALE, COPIED_FROM, IMAGE_MODEL, PICTURE_SCALE),
)
_CLEARED = (IMAGE_MODEL, PICTURE_SCALE)  # those that may become empty


@dataclass(slots=True)
class ServerIndexWriter:
    """Brings what is committed in a folder on this machine to an index on a server. `server` has the writer lock."""

    server: ServerWriter
    folder: Path
    limits: IndexLimits = field(default=DEFAULT_LIMITS)
    has_more: bool = False  # many more commits come: the graph over all of them is built faster than extended

    @property
    def address(self) -> ServerAddress:
        """Return the address of the index."""
        return self.server.address

    def pull(self) -> None:
        """Make the folder list the files of the server. Raises InputError if they belong to another folder.

        Nothing is done if there is no index on the server yet.
        """
        settings = self.server.settings() if self.server.exists else {"generation": "0"}
        if settings["generation"] == "0":
            self._drop_folder_of_another_index()
            return
        self._refuse_other_root(settings[ROOT])
        ours = IndexSettings.from_values(settings, self.address.name).analysis.signature
        if settings[ANALYZER] != ours:
            reason = f"made with analyzer {settings[ANALYZER]}, and this version has analyzer {ours}"
            raise IndexMismatchError(self.address.name, reason, "server-keywords-outdated")
        with storage_errors(self.folder):
            make_folder(self.folder)
            if not (self.folder / CATALOG_FILE).exists():
                Catalog.create(self.folder, shared_settings(settings)).close()
            with closing(Catalog.open_to_write(self.folder)) as catalog:
                if catalog.settings().get(_MIRRORED) == _state(settings):
                    return
                mirror_rows(
                    catalog,
                    self.server.files(),
                    self.server.sources(),
                    self.server.skipped(),
                    {**shared_settings(settings), _MIRRORED: _state(settings)},
                    int(settings[NEXT_FILE]),
                )
                sweep(catalog)

    def _drop_folder_of_another_index(self) -> None:
        """Delete the folder if it lists the files of an index that is no longer on the server."""
        with storage_errors(self.folder):
            if not (self.folder / CATALOG_FILE).exists():
                return
            with closing(Catalog.open_to_read(self.folder)) as catalog:
                is_stale = _MIRRORED in catalog.settings()
            if is_stale:
                delete_folder(self.folder)

    def require_index(self) -> None:
        """Raise IndexNotFoundError if there is no index on the server."""
        if not self.server.exists:
            raise IndexNotFoundError(self.address.name, "there is no index here")

    def compact(self) -> CompactionSummary:
        """Merge the postings of all commits, drop those of removed chunks, and free unused space in the tables."""
        started = time.perf_counter()
        settings = self.server.settings()
        segments = int(settings[NEXT_SEGMENT]) - int(settings[FIRST_SEGMENT])
        before, dropped = self.server.size(), 0
        if segments > 1 or self.server.has_removed_chunks():
            with self.server.commit() as settings:
                dropped = self.server.merge_postings(settings)
        self.server.clean()
        after, seconds = self.server.size(), time.perf_counter() - started
        rows = int(settings[ROWS])
        return CompactionSummary(self.address.name, segments, rows, dropped, before, after, seconds)

    def push(self, catalog: Catalog) -> bool:
        """Bring everything that is committed in the folder to the server. Return True if anything had changed.

        It is one transaction of the server: a reader sees all of it or nothing.
        """
        if not self.server.exists:
            made_with = IndexSettings.from_catalog(catalog)
            root = str(self.folder.parent)
            self.server.create(shared_settings(catalog.settings()), made_with.fingerprint.dimension, root)
        former = self.server.settings()
        changes = _Differences.between(catalog, self.server, former)
        if changes:
            with self.server.commit() as settings:
                self._apply(catalog, changes, settings)
                if int(settings[NEXT_SEGMENT]) - int(settings[FIRST_SEGMENT]) > MOST_SEGMENTS:
                    self.server.merge_postings(settings)
            former = settings
        with storage_errors(self.folder):
            forget_chunks(catalog, catalog.segments(), {_MIRRORED: _state(former)})
            sweep(catalog)
        if not self.has_more:
            self.build_graph()
        return bool(changes)

    def build_graph(self) -> None:
        """Build the graph once the index has enough rows for one, unless the user has chosen to go without."""
        settings = self.server.settings()
        if int(settings[ROWS]) >= self.limits.graph_rows and settings.get("ann") != "flat":
            self.server.build_graph(IndexSettings.from_values(settings, self.address.name).fingerprint.dimension)

    def known_vectors(self, catalog: Catalog, chunk_ids: Iterable[int]) -> dict[int, bytes]:
        """Return the records of those staged chunks whose text is embedded here or on the server, by chunk id."""
        ids = list(chunk_ids)
        here = known_vectors(catalog, ids)
        if len(here) == len(ids) or not self.server.exists:
            return here
        self.server.settings()
        staged = chunk_hashes(catalog, (number for number in ids if number not in here))
        records: dict[int, list[tuple[str, bytes]]] = {}
        for text_hash, text, windows, vector in self.server.copies_of(list({each for each, _ in staged.values()})):
            stored = Record(vector, windows)
            records.setdefault(text_hash, []).append((unpack_text(text), stored.to_bytes()))
        found = here
        for number, (text_hash, text) in staged.items():
            same = (record for known, record in records.get(text_hash, ()) if known == unpack_text(text))
            record = next(same, None)
            if record is not None:
                found[number] = record
        return found

    def _refuse_other_root(self, root: str) -> None:
        if root != str(self.folder.parent):
            reason = f"its documents are indexed from the folder {root}"
            raise InputError(self.address.name, reason, "server-other-root", root=root)

    def _apply(self, catalog: Catalog, changes: "_Differences", settings: dict[str, str]) -> None:
        self.server.remove_files(changes.removed)
        self.server.replace_files(changes.touched)
        self._add_segments(catalog, changes.added, settings)
        if changes.sources is not None:
            self.server.replace_sources(changes.sources)
        self.server.change_skipped(*changes.skipped)
        settings |= shared_settings(catalog.settings())
        for key in (FUSION, VECTOR_SCALE):
            settings.setdefault(key, "")

    def _add_segments(self, catalog: Catalog, added: set[int], settings: dict[str, str]) -> None:
        """Add the rows of the files in the folder's segments, and the files, also those without chunks."""
        next_chunk = int(settings[NEXT_CHUNK])
        first_chunks = dict.fromkeys(added, next_chunk)
        for record in catalog.segments():
            segment = view_segment(catalog, record)
            wanted = segment.alive & np.isin(segment.file_ids, np.array(sorted(added), np.int64))
            if wanted.any():
                next_chunk = self._add_segment(catalog, segment, wanted, next_chunk, settings, first_chunks)
        files = ((*row, first_chunks[row[0]]) for row in file_rows(catalog, sorted(added)))
        self.server.add_files(files)
        settings[NEXT_CHUNK] = str(next_chunk)
        settings[NEXT_FILE] = str(max([int(settings[NEXT_FILE]), *(number + 1 for number in added)]))

    def _add_segment(
        self,
        catalog: Catalog,
        segment: SegmentView,
        wanted: NDArray[np.bool_],
        next_chunk: int,
        settings: dict[str, str],
        first_chunks: dict[int, int],
    ) -> int:
        """Add the wanted rows (rows,) of a segment. Return the number of the next chunk.

        `first_chunks` gets the number of the first chunk of each of their files.
        """
        rows = np.flatnonzero(wanted)
        numbers = np.arange(next_chunk, next_chunk + len(rows))
        new_ids = np.full(len(wanted), -1, np.int64)
        new_ids[rows] = numbers
        by_id = {int(segment.chunk_ids[row]): int(row) for row in rows}
        chunks = []
        for file_id in dict.fromkeys(segment.file_ids[rows].tolist()):
            own = chunk_rows(catalog, file_id)
            places = [int(new_ids[by_id[number]]) for number, _ in own]
            if places != list(range(places[0], places[0] + len(places))):
                raise catalog.damaged("chunks of a file are not in order")
            first_chunks[file_id] = places[0]
            for place, (number, facts) in zip(places, own, strict=True):
                chunks.append((place, file_id, *facts, segment.window_codes(by_id[number])))
        chunks.sort(key=lambda row: row[0])
        vectors = np.asarray(segment.vectors[rows])
        number = int(settings[NEXT_SEGMENT])
        samples = sample_numbers(vectors).tolist()
        self.server.add_segment(ServerSegment(chunks, vectors, samples, _lists(segment, new_ids)), number)
        settings[NEXT_SEGMENT] = str(number + 1)
        settings[ROWS] = str(int(settings[ROWS]) + len(rows))
        settings[TERMS] = str(int(settings[TERMS]) + int(segment.postings.lengths[rows].sum(dtype=np.int64)))
        languages = {*filter(None, settings[LANGUAGES].split(",")), *segment.postings.languages}
        settings[LANGUAGES] = ",".join(sorted(languages))
        if not segment.has_windows:
            settings[WINDOWS] = "some"
        return next_chunk + len(rows)


@dataclass(frozen=True, slots=True)
class _Differences:
    """The difference between what a folder lists and what the server has.

    `added` and `removed` are ids of files; `touched` rows of files whose times have changed. `sources` are all sources,
    or None if they are the same. `skipped` are rows to add and rows to remove.
    """

    added: set[int]
    removed: list[int]
    touched: list[Row]
    sources: set[Row] | None
    skipped: tuple[set[Row], set[Row]]
    settings: bool

    def __bool__(self) -> bool:
        is_same = self.sources is None and not any(self.skipped) and not self.settings
        return bool(self.added or self.removed or self.touched) or not is_same

    @classmethod
    def between(cls, catalog: Catalog, server: ServerWriter, settings: Mapping[str, str]) -> "_Differences":
        live = {record.id: record for record in catalog.files(live=True).values()}
        there = {row[0]: row for row in server.files()}
        changed = [number for number in live.keys() & there.keys() if live[number].stamp != tuple(there[number][5:8])]
        sources, skipped, skipped_there = source_rows(catalog), skipped_rows(catalog), server.skipped()
        ours = shared_settings(catalog.settings())
        return cls(
            added=live.keys() - there.keys(),
            removed=sorted(there.keys() - live.keys()),
            touched=list(file_rows(catalog, sorted(changed))),
            sources=None if sources == server.sources() else sources,
            skipped=(skipped - skipped_there, skipped_there - skipped),
            settings=any(settings.get(key, "") != value for key, value in ours.items()),
        )


def sample_numbers(vectors: NDArray[np.int16]) -> NDArray[np.int64]:
    """Return numbers (n,) that order vectors (n, dimension) as `VectorRoute.sample` does: by their bits."""
    from vsearch_core.ann.sampling import sample_order

    keys = sample_order(vectors)
    signed: NDArray[np.int64] = (keys ^ np.uint64(1 << 63)).view(np.int64)
    return signed


def _lists(segment: SegmentView, new_ids: NDArray[np.int64]) -> Iterator[tuple[bytes, TermPostings]]:
    """Yield the terms of a segment with the postings of the rows that have a new id, in `new_ids` (rows,), not -1."""
    postings = segment.postings
    text, ends, offsets = postings.terms.tobytes(), postings.term_offsets.tolist(), postings.offsets.tolist()
    rows = np.asarray(postings.rows)
    ids, counts, lengths = new_ids[rows], np.asarray(postings.counts), np.asarray(postings.lengths)[rows]
    all_kept = bool((new_ids >= 0).all())
    for number in range(len(ends) - 1):
        some = slice(offsets[number], offsets[number + 1])
        found = TermPostings(ids[some], counts[some], lengths[some])
        if not all_kept:
            found = TermPostings(*(array[ids[some] >= 0] for array in found))
        if len(found.ids):
            yield text[ends[number] : ends[number + 1]], found


def shared_settings(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that a folder for staging and the index on the server have in common."""
    return {key: settings[key] for key in _SHARED if settings.get(key) or (key in _CLEARED and key in settings)}


def _state(settings: Mapping[str, str]) -> str:
    return f"{settings[LINEAGE]}:{settings['generation']}"


@contextmanager
def open_server_writer(address: ServerAddress, folder: Path) -> Iterator[ServerIndexWriter]:
    """Lock the index on the server for the block, and yield its writer. Raises IndexLockedError and StorageError."""
    with closing(open_writer(address)) as server:
        yield ServerIndexWriter(server, folder)
