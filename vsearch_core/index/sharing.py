"""Share vectors between all indexes of a user, by a file in the user's cache folder."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config
from vsearch_core.ann.flat import from_fixed
from vsearch_core.embed.base import Batch, Embedder, OpenEmbedder
from vsearch_core.embed.model_files import distilled_from
from vsearch_core.index.staging import batch_records
from vsearch_core.model import EmbedderSpec, Fingerprint
from vsearch_core.own_files import make_own_folders, open_file
from vsearch_core.store.records import Record
from vsearch_core.store.vectors import VectorFile, delete_vector_file, means_damage, space_key

SHARED_FILE = "vectors.sqlite"  # in the user's cache folder

T = TypeVar("T")


def sharing(
    open_embedder: OpenEmbedder, cache_dir: Path | None = None, limit: int = config.SHARED_BYTES
) -> OpenEmbedder:
    """Return a function that opens embedders as `open_embedder` does, with a cache of shared vectors.

    The cache is a file of at most `limit` bytes in `cache_dir`, by default the platform's cache folder. Vectors of
    distilled static models are not shared: they are made faster than they are looked up.
    """
    path = (cache_dir or config.default_cache_dir()) / SHARED_FILE

    def opened(spec: EmbedderSpec) -> Embedder:
        embedder = open_embedder(spec)
        is_distilled = distilled_from(spec.provider, spec.model) is not None
        return embedder if is_distilled else SharingEmbedder(embedder, spec, path, limit)

    return opened


class SharingEmbedder:
    """Wraps an embedder with the cache that all of a user's indexes share.

    A text that the same model has embedded before is not embedded again.
    """

    def __init__(self, embedder: Embedder, spec: EmbedderSpec, path: Path, limit: int) -> None:
        """Wrap the embedder that `spec` describes. The cache is the file `path`, of at most `limit` bytes."""
        self._embedder = embedder
        self._path, self._limit = path, limit
        made_by = json.dumps(asdict(embedder.fingerprint))
        self._space = space_key({"fingerprint": made_by, "base_url": spec.base_url or ""})

    @property
    def fingerprint(self) -> Fingerprint:
        """Return the fingerprint of the wrapped embedder."""
        return self._embedder.fingerprint

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed queries with the wrapped embedder. Their vectors are not cached."""
        return self._embedder.embed_queries(texts)

    def legible_share(self, query: str) -> float:
        """Return the share of the query that the wrapped embedder can read, from 0 to 1."""
        return self._embedder.legible_share(query)

    def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        """Embed documents as `Embedder` does. Batches of cached vectors are yielded first."""
        shared = _CacheFile(self._path, self._space, 2 * self.fingerprint.dimension, self._limit)
        try:
            known = shared.get(texts)
            have = [number for number, text in enumerate(texts) if text in known]
            if have:
                yield self._batch(np.array(have), [known[texts[number]] for number in have])
            rest = np.array([number for number, text in enumerate(texts) if text not in known], np.int64)
            missing = [texts[number] for number in rest.tolist()]
            for batch in self._embedder.embed_documents(missing) if missing else ():
                records = (record.to_bytes() for record in batch_records(batch))
                shared.put([missing[number] for number in batch.indices.tolist()], records)
                yield replace(batch, indices=rest[batch.indices])
        finally:
            shared.close()

    def _batch(self, indices: NDArray[np.int64], stored: Sequence[bytes]) -> Batch:
        dimension = self.fingerprint.dimension
        records = [Record.from_bytes(each, 2 * dimension) for each in stored]
        fixed = np.frombuffer(b"".join(record.vector for record in records), np.int16).reshape(-1, dimension)
        windows = [record.windows for record in records if record.windows is not None]
        return Batch(indices, from_fixed(fixed), windows if len(windows) == len(records) else None)


class _CacheFile:
    """The cache file. If it can't be used, all texts are embedded; if it is damaged, it is deleted."""

    def __init__(self, path: Path, space: bytes, row_bytes: int, limit: int) -> None:
        self._path = path
        self._file: VectorFile | None = None
        self._file = self._or_none(lambda: VectorFile(self._new(), space, row_bytes, limit))

    def _new(self) -> Path:
        make_own_folders(self._path.parent)
        open_file(self._path, "ab+", permissions=0o600).close()  # private: vectors reveal something of the texts
        return self._path

    def get(self, texts: Sequence[str]) -> dict[str, bytes]:
        file = self._file
        return (self._or_none(lambda: file.get(texts)) if file else None) or {}

    def put(self, texts: Sequence[str], records: Iterable[bytes]) -> None:
        file = self._file
        if file:
            self._or_none(lambda: file.put(texts, records))

    def close(self) -> None:
        file = self._file
        if file:
            self._or_none(file.close)

    def _or_none(self, do: Callable[[], T]) -> T | None:
        try:
            return do()
        except (sqlite3.Error, OSError) as error:
            if means_damage(error):
                if self._file:
                    self._file.close()
                self._file = None
                with suppress(OSError):
                    delete_vector_file(self._path)
            return None
