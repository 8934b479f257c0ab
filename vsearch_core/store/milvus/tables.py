"""The collections of an index on Milvus, and how values are stored in their rows.

A row is visible in the generations from `gen_from` to `gen_to` - 1. docs/adr/0059-milvus.md has the reasons.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from vsearch_core.json_text import parse_json

if TYPE_CHECKING:
    from pymilvus import CollectionSchema

_V = TypeVar("_V")

CHUNKS, TERMS, LISTS, LOCK = "", "_terms", "_lists", "_lock"  # what follows the collection's name in the address
COLLECTIONS = (CHUNKS, TERMS, LISTS)
NEVER = 2**63 - 1  # `gen_to` of a row that isn't removed

# Kinds of rows in LISTS
SETTINGS, FILE, SOURCE, SKIPPED = 0, 1, 2, 3
SETTINGS_ROW = 0  # the id of the one row of that kind, which names the generation: it is valid in all generations

NEXT_ROW, NEXT_TERM = "next_row", "next_term"  # settings: ids of the next rows of LISTS and TERMS
COMPACTED = "compacted"  # the setting with the generation of the last compaction
KEYWORDS = "keywords"  # the setting that is "no" if the server can't store sparse vectors
TIMESTAMP = "timestamp"  # the setting with the server's time of the commit
MEAN_LENGTH = "mean_length"  # the setting with the mean length for which the weights of terms are stored

CHUNK_FIELDS = ("id", "file_id", "gen_from", "gen_to", "hash", "sample", "length", "vector", "terms", "data")
TERM_FIELDS = ("id", "term", "dimension", "count", "gen_from", "gen_to", "unused")
LIST_FIELDS = ("id", "kind", "number", "name", "gen_from", "gen_to", "data", "unused")
NUMBERS = {"file_id", "gen_from", "gen_to", "hash", "sample", "length", "dimension", "count", "kind", "number"}
INDEXED = {"file_id", "hash", "sample", "term", "number", "name"}  # that filters compare
EMPTY = {0: 1.0}  # the sparse vector of a chunk without terms: it must have something
UNUSED = [0.0, 0.0]  # a collection must have vectors

MOST_BYTES = 65_535  # of a VARCHAR
_PIECES = 64  # of a row's data


def schema_of(table: str, dimension: int, *, sparse: bool) -> "CollectionSchema":
    """Return the schema of a collection."""
    from pymilvus import DataType, MilvusClient

    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    for field in fields_of(table, sparse=sparse):
        if field == "id" or field in NUMBERS:
            schema.add_field(field, DataType.INT64, is_primary=field == "id")
        elif field in {"vector", "unused"}:
            schema.add_field(field, DataType.FLOAT_VECTOR, dim=dimension if field == "vector" else len(UNUSED))
        elif field == "terms":
            schema.add_field(field, DataType.SPARSE_FLOAT_VECTOR)
        elif field == "data":
            kind = {"element_type": DataType.VARCHAR, "max_length": MOST_BYTES, "max_capacity": _PIECES}
            schema.add_field(field, DataType.ARRAY, **kind)
        else:
            schema.add_field(field, DataType.VARCHAR, max_length=MOST_BYTES)
    return schema


def fields_of(table: str, *, sparse: bool) -> tuple[str, ...]:
    """Return the names of a collection's fields."""
    fields = {CHUNKS: CHUNK_FIELDS, TERMS: TERM_FIELDS, LISTS: LIST_FIELDS}[table]
    return tuple(field for field in fields if sparse or field != "terms")


def pack(values: Sequence[object]) -> list[str]:
    """Return values as the pieces of a JSON text in ASCII. Raises ValueError if they take more than 4 MB."""
    text = json.dumps(list(values), default=lambda value: {"bytes": b64encode(value).decode()})
    pieces = [text[start : start + MOST_BYTES] for start in range(0, len(text), MOST_BYTES)]
    if len(pieces) > _PIECES:
        raise ValueError(f"it takes {len(text):,} bytes, and a row may have {_PIECES * MOST_BYTES:,}")
    return pieces


def unpack(pieces: Sequence[str]) -> list[Any]:
    """Return the values that `pack` stored. Raises ValueError for anything else."""
    values = parse_json("".join(pieces))
    if not isinstance(values, list):
        raise ValueError("it is not a list")
    return [_restored(value) for value in values]


def _restored(value: Any) -> Any:
    is_bytes = isinstance(value, dict) and value.keys() == {"bytes"}
    return b64decode(value["bytes"], validate=True) if is_bytes else value


def blocks(values: Iterable[_V], size: int) -> Iterator[list[_V]]:
    """Yield the values in lists of that size, without repetitions."""
    distinct = list(dict.fromkeys(values))
    for start in range(0, len(distinct), size):
        yield distinct[start : start + size]


def visible_in(generation: int | str) -> str:
    """Return a filter for the rows that are visible in a generation."""
    return f"gen_from <= {generation} and gen_to > {generation}"


def name_of(text: str) -> str:
    """Return a text as filters can compare it: its bytes in hexadecimal, whose order is that of the texts."""
    return text.encode("utf-8", "surrogatepass").hex()


def text_of(name: str) -> str:
    """Return the text that `name_of` stored."""
    return bytes.fromhex(name).decode("utf-8", "surrogatepass")
