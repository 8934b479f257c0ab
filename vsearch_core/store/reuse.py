"""Find vectors that the index already has, so that a text that was moved or copied is not embedded again."""

from collections.abc import Iterable

import numpy as np

from vsearch_core.store.catalog import Catalog
from vsearch_core.store.segment import damaged_blocks, open_segment


def known_vectors(catalog: Catalog, chunk_ids: Iterable[int]) -> dict[int, bytes]:
    """Return the vectors, as bytes by chunk id, of the given chunks whose text is embedded already.

    Another chunk, live or staged, has the same text. All vectors of an index come from one embedder and depend only on
    the text, so equal texts have equal vectors. Raises FileNotFoundError and IndexCorruptError as `open_segment` does.
    """
    vectors: dict[int, bytes] = {}
    in_segments: dict[int, list[int]] = {}  # from a live chunk to the given chunks with the same text
    for chunk_id in chunk_ids:
        copy = catalog.find_embedded_copy(chunk_id)
        if copy is None:
            continue
        copy_id, vector = copy
        if vector is None:
            in_segments.setdefault(copy_id, []).append(chunk_id)
        else:
            vectors[chunk_id] = vector
    wanted = np.array(list(in_segments), np.int64)
    for segment in catalog.segments() if in_segments else ():
        manifest = {name: segment.manifest[name] for name in ("chunk_ids", "vectors")}
        arrays = open_segment(catalog.index, segment.name, manifest, ("vectors",))
        row_bytes = arrays["vectors"][:1].nbytes
        for row in np.flatnonzero(np.isin(arrays["chunk_ids"], wanted) & segment.alive).tolist():
            if damaged_blocks(arrays["vectors"], manifest["vectors"], row * row_bytes, (row + 1) * row_bytes):
                raise catalog.damaged(f"vectors of segment {segment.name} are damaged")
            vector = arrays["vectors"][row].tobytes()
            vectors |= dict.fromkeys(in_segments[int(arrays["chunk_ids"][row])], vector)
    return vectors
