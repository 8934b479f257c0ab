"""What keywords find chunks by: their texts, and what their files are called."""

from collections.abc import Iterable, Iterator

from vsearch_core.model import KeywordFields
from vsearch_core.store import schema
from vsearch_core.store.catalog import Catalog


def searched(catalog: Catalog, chunk_ids: Iterable[int]) -> Iterator[tuple[int, int, KeywordFields]]:
    """Chunk id, file id and what the chunk is found by, in the order asked for, without those not there."""
    sound = " AND ".join(schema.checksum_ok(catalog.connection, table) for table in ("chunks", "files"))
    query = (
        f"SELECT {sound}, file_id, text, path, title, heading, language"
        " FROM chunks JOIN files ON files.id = file_id WHERE chunks.id = ?"
    )
    for chunk_id in chunk_ids:
        for intact, file_id, blob, *facts in catalog.connection.execute(query, (chunk_id,)):
            yield chunk_id, file_id, KeywordFields(catalog.unpacked(chunk_id, blob, intact), *facts)
