"""Join the snapshots of several indexes to one, which is searched as if one index held all their documents.

Chunk ids and file ids of the indexes overlap. In a joined snapshot, the number of the index is added in the high bits.
Paths are relative to the folder that is common to the roots of all indexes, as if the one index were there.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from vsearch_core.errors import IndexMismatchError
from vsearch_core.index.parts import CHUNK_IDS, FILE_IDS
from vsearch_core.index.pictures import ImageModel, PictureScale, PictureVectors, image_models, load_image_model
from vsearch_core.index.settings import IndexSettings
from vsearch_core.index.snapshot import SegmentView, Snapshot, open_snapshot
from vsearch_core.index.sources import stored_path
from vsearch_core.lexical.analysis import AUTO
from vsearch_core.model import KeywordFields
from vsearch_core.store.catalog import Catalog, ChunkPlace, FileFacts, StoredChunk
from vsearch_core.store.filters import FileConditions
from vsearch_core.store.io_errors import storage_errors

ID_BITS = 40  # of the ids that one index gives out; the bits above have the number of the index
_ID_MASK = (1 << ID_BITS) - 1


@dataclass(frozen=True, slots=True)
class _Member:
    """One of several indexes: its number, its snapshot, and the folder that all the indexes have in common."""

    number: int
    snapshot: Snapshot
    common: Path

    @property
    def catalog(self) -> Catalog:
        return self.snapshot.catalog

    @property
    def root(self) -> Path:
        """The folder that the paths in the index start from."""
        return self.catalog.index.parent

    def joined_path(self, stored: str) -> str:
        """Return a path of the index as the joined snapshot names it."""
        return stored if self.root == self.common else stored_path(self.common, self.root / stored)

    def own_path(self, path: str) -> str:
        """Return a path of the joined snapshot as the index would store it."""
        return path if self.root == self.common else stored_path(self.root, self.common / path)

    def joined_id(self, own: int) -> int:
        return self.number << ID_BITS | own

    def joined_ids(self, own: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return ids of the index as the joined snapshot names them. Raises IndexCorruptError for impossible ids."""
        if len(own) and not (int(own.min()) >= 0 and int(own.max()) <= _ID_MASK):
            raise self.catalog.damaged("its segments have ids out of range")
        return own | np.int64(self.number << ID_BITS)


class JoinedCatalog:
    """Reads the catalogs of several indexes as if they were one catalog.

    Methods do what the methods of `Catalog` of the same names do. Only one thread at a time may use it.
    """

    def __init__(self, members: Sequence[_Member]) -> None:
        """Read the catalogs of the members, which are numbered from 0."""
        self._members = members

    @property
    def index(self) -> Path:
        """Return the index folders, for errors that concern all of them."""
        return Path(", ".join(str(member.catalog.index) for member in self._members))

    def stored_chunks(self, chunk_ids: Sequence[int], most_bytes: int | None = None) -> list[StoredChunk]:
        """Return the chunks with these ids, in order, each with the folder of its index."""
        found: dict[int, StoredChunk] = {}
        for member, own in self._by_member(chunk_ids):
            index = str(member.catalog.index)
            with storage_errors(member.catalog.index):
                chunks = member.catalog.stored_chunks(own, most_bytes)
            for chunk_id, chunk in zip(own, chunks, strict=True):
                placed = replace(chunk, path=member.joined_path(chunk.path), index=index)
                found[member.joined_id(chunk_id)] = placed
        return [found[chunk_id] for chunk_id in chunk_ids]

    def keyword_fields(
        self, chunk_ids: Iterable[int], most_bytes: int | None = None
    ) -> Iterator[tuple[int, int, KeywordFields]]:
        """Yield (chunk id, file id, texts to index) for each chunk, in the order of the ids."""
        for number, ids in groupby(chunk_ids, lambda each: each >> ID_BITS):
            member = self._members[number]
            with storage_errors(member.catalog.index):
                for chunk_id, file_id, fields in member.catalog.keyword_fields(
                    (each & _ID_MASK for each in ids), most_bytes
                ):
                    yield member.joined_id(chunk_id), member.joined_id(file_id), fields

    def _by_member(self, ids: Sequence[int]) -> Iterator[tuple[_Member, list[int]]]:
        for member in self._members:
            own = [each & _ID_MASK for each in ids if each >> ID_BITS == member.number]
            if own:
                yield member, own

    def chunk_numbers(self, path: str, first: int = 0, last: int | None = None) -> list[tuple[int, int]]:
        """Return (chunk id, number in the file) of a file's chunks, from the first index that has the file."""
        member = self._holder(path)
        found = [] if member is None else member.catalog.chunk_numbers(member.own_path(path), first, last)
        return [(member.joined_id(chunk_id), number) for chunk_id, number in found] if member else []

    def chunk_places(self, path: str) -> list[ChunkPlace]:
        """Return the positions of a file's chunks, from the first index that has the file."""
        member = self._holder(path)
        places = [] if member is None else member.catalog.chunk_places(member.own_path(path))
        return [replace(place, id=member.joined_id(place.id)) for place in places] if member else []

    def _holder(self, path: str) -> _Member | None:
        return next((member for member in self._members if member.catalog.has_file(member.own_path(path))), None)

    def file_facts(self, path: str) -> FileFacts | None:
        """Return the title and the metadata of a file, from the first index that has the file."""
        member = self._holder(path)
        facts = None if member is None else member.catalog.file_facts(member.own_path(path))
        return None if facts is None else replace(facts, path=path)

    def neighbouring_files(self, prefix: str, part: str, most: int) -> list[FileFacts]:
        """Return the last files by path, of all indexes, with a prefix and a part in their paths."""
        found: dict[str, FileFacts] = {}
        for member in self._members:
            for own_prefix, own_part in self._searches(member, prefix, part):
                for facts in member.catalog.neighbouring_files(own_prefix, own_part, most):
                    path = member.joined_path(facts.path)
                    if path.startswith(prefix) and part in path:
                        found.setdefault(path, replace(facts, path=path))
        return [found[path] for path in sorted(found, reverse=True)][:most]

    def _searches(self, member: _Member, prefix: str, part: str) -> Iterator[tuple[str, str]]:
        """Yield prefixes and parts that find all files of an index whose joined paths have the prefix and the part."""
        if member.root == member.common:
            yield prefix, part
            return
        folder = member.joined_path("") + "/"
        if prefix.startswith(folder):
            yield prefix.removeprefix(folder), part
        elif folder.startswith(prefix):
            yield "", part if part not in folder and "/" not in part else ""
        yield str(member.common / prefix) + "/" * prefix.endswith("/"), part  # files outside the root of their index

    def has_file(self, path: str) -> bool:
        """Return True if an index has a live file of that path."""
        return self._holder(path) is not None

    def live_paths(self) -> list[str]:
        """Return the paths of all live files, sorted, each once."""
        return sorted({member.joined_path(path) for member in self._members for path in member.catalog.live_paths()})

    def paths_of_files(self, file_ids: Iterable[int]) -> dict[int, str]:
        """Return the paths of files by their ids."""
        return {
            member.joined_id(number): member.joined_path(path)
            for member, own in self._by_member(list(file_ids))
            for number, path in member.catalog.paths_of_files(own).items()
        }

    def facts_of_files(self, file_ids: Iterable[int]) -> dict[int, FileFacts]:
        """Return what is known of files by their ids, each with the folder of its index."""
        return {
            member.joined_id(number): replace(
                facts, path=member.joined_path(facts.path), index=str(member.catalog.index)
            )
            for member, own in self._by_member(list(file_ids))
            for number, facts in member.catalog.facts_of_files(own).items()
        }

    def matching_files(self, conditions: FileConditions) -> NDArray[np.int64]:
        """Return the ids of the live files of all indexes that meet the conditions, ascending.

        Globs are applied to the joined paths; expressions see the columns of each index by itself.
        """
        found = []
        where = normalize("NFC", conditions.where or "")
        keys = tuple({key for member in self._members for key in member.catalog.metadata_keys(where)})
        for member in self._members:
            select = None if conditions.select_path is None else _Selection(member, conditions.select_path)
            own = replace(conditions, select_path=select, keys=keys)
            with storage_errors(member.catalog.index):
                found.append(member.joined_ids(member.catalog.matching_files(own)))
        return np.concatenate([np.empty(0, np.int64), *found])

    def refuse_damaged_files(self, chunks: int) -> None:
        """Raise IndexCorruptError if the row of a live file is damaged or missing, in any index."""
        for member in self._members:
            own = sum(int(segment.alive.sum()) for segment in member.snapshot.segments)
            member.catalog.refuse_damaged_files(own)


@dataclass(frozen=True, slots=True)
class _Selection:
    """Applies a selection of joined paths to the paths of one index."""

    member: _Member
    select: Callable[[str], bool]

    def __call__(self, stored: str) -> bool:
        return self.select(self.member.joined_path(stored))


class JoinedSnapshot:
    """The snapshots of several indexes, open for reading as one: see `SearchedSnapshot`.

    Its segments are those of all indexes. First come those with vectors of the indexes with the same embedder as the
    first index: only their vectors can be compared with a query's.
    """

    def __init__(self, snapshots: Sequence[Snapshot]) -> None:
        """Join the snapshots, of which there must be at least one.

        Raises IndexMismatchError if their keywords were made by different versions of the analyzer.
        """
        first = snapshots[0]
        self.snapshots = snapshots
        common = common_root([snapshot.catalog.index for snapshot in snapshots])
        members = [_Member(number, snapshot, common) for number, snapshot in enumerate(snapshots)]
        self._members = {str(member.catalog.index): member for member in members}
        for snapshot in snapshots:
            if snapshot.settings.analyzer != first.settings.analyzer:
                ours, theirs = first.settings.analyzer, snapshot.settings.analyzer
                reason = f"made with analyzer {theirs}, and {first.catalog.index} with analyzer {ours}"
                raise IndexMismatchError(str(snapshot.catalog.index), reason, "keywords-outdated")
        self.catalog = JoinedCatalog(members)
        segments = [(member, segment) for member in members for segment in member.snapshot.segments]
        comparable = [
            segment.has_vectors and member.snapshot.settings.fingerprint == first.settings.fingerprint
            for member, segment in segments
        ]
        order = sorted(range(len(segments)), key=lambda number: not comparable[number])
        self.segments: Sequence[SegmentView] = [_joined_view(*segments[number]) for number in order]
        self.vector_segments = sum(comparable)

    @cached_property
    def image_model(self) -> ImageModel | None:
        """Return the image model of the first index that has one: only its vectors can be compared with a query's."""
        return next(iter(image_models(self.catalogs)), None)

    def pictures(self, model: ImageModel) -> tuple[PictureVectors, PictureScale | None]:
        """Return the vectors of this model in all indexes, and the scale over all of them."""
        found, scales = [], []
        for member in self._members.values():
            with storage_errors(member.catalog.index):
                own = load_image_model(member.catalog)
                if own is None or own.key != model.key:
                    continue
                vectors, scale = member.snapshot.pictures(model)
            found.append(replace(vectors, file_ids=member.joined_ids(vectors.file_ids)))
            scales += [] if scale is None else [scale]
        return PictureVectors.joined(found), PictureScale.pooled(scales)

    @property
    def catalogs(self) -> Sequence[Catalog]:
        """Return the catalogs of the indexes, in their order."""
        return [snapshot.catalog for snapshot in self.snapshots]

    @property
    def generation(self) -> int:
        """Return the sum of the generations of the indexes: each commit to one of them increases it."""
        return sum(snapshot.generation for snapshot in self.snapshots)

    @cached_property
    def settings(self) -> IndexSettings:
        """Return the settings of the first index, but with the language "auto" if the indexes' languages differ."""
        first = self.snapshots[0].settings
        languages = {snapshot.settings.language for snapshot in self.snapshots}
        words = max(snapshot.settings.chunk_words for snapshot in self.snapshots)
        return replace(first, language=AUTO if len(languages) > 1 else first.language, chunk_words=words)

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """Return the languages in which the chunks of all indexes were analyzed, sorted."""
        return tuple(sorted({code for snapshot in self.snapshots for code in snapshot.languages}))

    def own_path(self, index: str | None, path: str) -> str:
        """Return a joined path as the index in a folder stores it."""
        return path if index is None else self._members[index].own_path(path)

    def joined_path(self, index: str, stored: str) -> str:
        """Return a path as the index in a folder stores it as the joined snapshot names it."""
        return self._members[index].joined_path(stored)

    def index_of(self, path: str) -> str | None:
        """Return the folder of the first index that has the file of a joined path; None if there is none."""
        return next((name for name, each in self._members.items() if each.catalog.has_file(each.own_path(path))), None)

    def path_seen_from(self, index: str | None, path: str) -> str:
        """Return a joined path as an index stores it, or absolute if the file is in another index."""
        if index is None:
            return path
        member = self._members[index]
        own = member.own_path(path)
        return own if member.catalog.has_file(own) else str(member.common / path)

    @property
    def keyword_only(self) -> tuple[str, ...]:
        """Return the folders of the indexes whose vectors another embedder made; only their keywords are searched."""
        ours = self.snapshots[0].settings.fingerprint
        others = (snapshot for snapshot in self.snapshots if snapshot.settings.fingerprint != ours)
        return tuple(str(snapshot.catalog.index) for snapshot in others)


def _joined_view(member: _Member, segment: SegmentView) -> SegmentView:
    ids = {name: member.joined_ids(np.asarray(segment.arrays[name])) for name in (CHUNK_IDS, FILE_IDS)}
    return replace(segment, arrays={**segment.arrays, **ids})


def common_root(indexes: Sequence[Path]) -> Path:
    """Return the folder that the parents of the index folders have in common."""
    return Path(os.path.commonpath([index.parent for index in indexes]))


@contextmanager
def open_joined(indexes: Sequence[Path]) -> Iterator[JoinedSnapshot]:
    """Open the current generations of the indexes, yield them joined, and close them after the block.

    Raises the errors of `open_snapshot`, and IndexMismatchError.
    """
    with ExitStack() as stack:
        yield JoinedSnapshot([stack.enter_context(open_snapshot(index)) for index in indexes])
