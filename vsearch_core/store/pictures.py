"""Reads from a catalog which pictures have a vector, and the vectors.

The vector of a picture is kept in the metadata of its file: `{"model": key, "vector": base64}` below the key PICTURE. A
picture that can't be decoded has the model's key and no vector. The vectors of the pictures inside a document are kept
in the metadata of the document's file: `{"model": key, "figures": [...]}` below the key FIGURES.
"""

import json
from collections.abc import Iterator, Sequence

from vsearch_core.json_text import parse_json
from vsearch_core.model import FIGURES, PICTURE, JsonValue
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.checksums import checksum_ok

_LIVE_PICTURES = "FROM files WHERE live AND ext IN (SELECT value FROM json_each(?))"
_MODEL = f"iif(json_valid(meta), json_extract(meta, '$.{PICTURE}.model'), NULL)"
_OF_FIGURES = f"iif(json_valid(meta), json_extract(meta, '$.{FIGURES}.model'), NULL)"


def pictures_of_other_models(catalog: Catalog, extensions: Sequence[str], model: str) -> list[str]:
    """Return the paths of live files with one of the extensions that the model with this key has not seen."""
    query = f"SELECT path {_LIVE_PICTURES} AND {_MODEL} IS NOT ?"
    return [path for (path,) in catalog.connection.execute(query, (json.dumps(extensions), model))]


def count_pictures(catalog: Catalog, extensions: Sequence[str], model: str) -> int:
    """Return the number of live pictures that have a vector of the model."""
    has_vector = f"json_extract(meta, '$.{PICTURE}.vector') IS NOT NULL"
    query = f"SELECT count(*) {_LIVE_PICTURES} AND {_MODEL} = ? AND {has_vector}"
    (count,) = catalog.connection.execute(query, (json.dumps(extensions), model)).fetchone()
    return int(count)


def documents_of_other_models(catalog: Catalog, extensions: Sequence[str], model: str) -> list[str]:
    """Return the paths of live files with one of the extensions whose figures the model with this key has not seen."""
    query = f"SELECT path {_LIVE_PICTURES} AND {_OF_FIGURES} IS NOT ?"
    return [path for (path,) in catalog.connection.execute(query, (json.dumps(extensions), model))]


def count_figures(catalog: Catalog, model: str) -> int:
    """Return the number of pictures inside live documents that have a vector of the model."""
    length = f"json_array_length(meta, '$.{FIGURES}.figures')"
    query = f"SELECT coalesce(sum({length}), 0) FROM files WHERE live AND {_OF_FIGURES} = ?"
    (count,) = catalog.connection.execute(query, (model,)).fetchone()
    return int(count)


def figure_values(catalog: Catalog, model: str) -> Iterator[tuple[int, JsonValue]]:
    """Yield the id of each live document whose figures the model has seen, ascending, and what is kept of them.

    Raises IndexCorruptError if the checksum of a row is wrong.
    """
    intact = checksum_ok(catalog.connection, "files")
    query = f"SELECT id, path, meta, {intact} FROM files WHERE live AND {_OF_FIGURES} = ? ORDER BY id"
    for file_id, path, meta, is_intact in catalog.connection.execute(query, (model,)):
        if not is_intact:
            raise catalog.damaged(f"the row of the file {path} is damaged")
        yield file_id, parse_json(meta)[FIGURES]


def picture_values(catalog: Catalog, extensions: Sequence[str], model: str) -> Iterator[tuple[int, JsonValue]]:
    """Yield the id of each live picture that the model has seen, ascending, and the vector that is kept of it.

    Raises IndexCorruptError if the checksum of a row is wrong.
    """
    intact = checksum_ok(catalog.connection, "files")
    query = f"SELECT id, path, meta, {intact} {_LIVE_PICTURES} AND {_MODEL} = ? ORDER BY id"
    for file_id, path, meta, is_intact in catalog.connection.execute(query, (json.dumps(extensions), model)):
        if not is_intact:
            raise catalog.damaged(f"the row of the file {path} is damaged")
        kept = parse_json(meta)[PICTURE]  # with a key twice, which only a forged index has, SQLite reads the first
        yield file_id, kept.get("vector") if isinstance(kept, dict) else None
