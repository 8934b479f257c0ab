"""Describe and check an index on a server."""

from collections import Counter
from collections.abc import Iterator
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann.flat import non_unit_rows
from vsearch_core.errors import IndexCorruptError
from vsearch_core.index.check import CheckReport
from vsearch_core.index.named_sources import outside_paths
from vsearch_core.index.pictures import load_image_model, picture_faults
from vsearch_core.index.server_snapshot import ServerSnapshot
from vsearch_core.index.sources import catalog_sources
from vsearch_core.index.status import Status, walks_of
from vsearch_core.store.check import Fault
from vsearch_core.store.pictures import count_figures, count_pictures
from vsearch_core.store.server.reading import ServerCatalog
from vsearch_core.store.server.tables import FORMAT
from vsearch_core.store.states import STATES, FileState, file_states
from vsearch_core.text.extract.registry import picture_extensions

_FULL_COUNT = 255  # of a posting whose term occurs that often or more often


def read_server_status(snapshot: ServerSnapshot) -> Status:
    """Return the status of the generation that the snapshot has open. Sizes are the newest, of tables and indexes."""
    catalog, settings = snapshot.catalog, snapshot.settings
    values = catalog.settings()
    listing, images = catalog.listing(), load_image_model(catalog)
    sources = sorted(zip(listing.sources(), catalog_sources(snapshot.root, listing), strict=True), key=itemgetter(0))
    states = Counter(file.state for file in file_states(listing))
    chunks = snapshot.rows - len(catalog.removed_chunks)
    return Status(
        index=catalog.label,
        format=FORMAT,
        generation=snapshot.generation,
        last_commit=values.get("last_commit"),
        sources=tuple(path for path, source in sources if source.options is not None),
        removed=tuple(path for path, source in sources if source.options is None),
        files=len(catalog.files.ids),
        chunks=chunks,
        segments=catalog.count_segments(values),
        dead_rows=len(catalog.removed_chunks),
        graph_segments=int(snapshot.has_graph),
        graph_rows=chunks if snapshot.has_graph else 0,
        pending_files=0,
        pending_chunks=0,
        re_embedding=False,
        fingerprint=settings.fingerprint,
        chunk_words=settings.chunk_words,
        overlap_words=settings.overlap_words,
        language=settings.language,
        size={**catalog.sizes(), "damaged": 0},
        files_by_state={state: states[state] for state in STATES},
        outside=outside_paths(snapshot.root, (source for _, source in sources)),
        walks=walks_of(sources),
        ann=settings.ann,
        image_model=None if images is None else images.fingerprint,
        picture_vectors=0 if images is None else count_pictures(listing, picture_extensions(), images.key),
        figure_vectors=0 if images is None else count_figures(listing, images.key),
    )


def read_server_states(snapshot: ServerSnapshot) -> Iterator[FileState]:
    """Yield the state of each file, sorted by path."""
    return file_states(snapshot.catalog.listing())


def check_server_index(snapshot: ServerSnapshot, *, full: bool) -> CheckReport:
    """Check one generation of an index on a server for damage.

    A quick check compares the numbers of rows in the tables. A full check also reads every row: it verifies checksums
    and lengths of vectors, and that the postings agree with one another and with the chunks.
    """
    faults: list[Fault] = []
    catalog = snapshot.catalog
    try:
        faults += _count_faults(snapshot)
        if full and not faults:
            faults += _row_faults(catalog)
            faults += _posting_faults(snapshot) if catalog.has_keywords else ()
    except IndexCorruptError as error:
        faults.append(Fault(error.subject, error.reason))
    chunks = snapshot.rows - len(catalog.removed_chunks)
    return CheckReport(catalog.label, full, tuple(faults), snapshot.generation, len(catalog.files.ids), chunks)


def _count_faults(snapshot: ServerSnapshot) -> Iterator[Fault]:
    catalog = snapshot.catalog
    expected = snapshot.rows - len(catalog.removed_chunks)
    counts = {"files": int(catalog.files.counts.sum()), **catalog.count_rows()}
    for table, count in counts.items():
        if count != expected:
            yield Fault(f"{catalog.label}: {table}", f"has {count:,} chunks, not {expected:,}")
    ids = catalog.files.chunk_ids()
    if (ids[1:] == ids[:-1]).any():
        yield Fault(f"{catalog.label}: files", "two files have the same chunks")


def _row_faults(catalog: ServerCatalog) -> Iterator[Fault]:
    """Yield the faults of chunks, texts and vectors; rows with wrong checksums raise IndexCorruptError."""
    for reason in picture_faults(catalog.listing()):
        yield Fault(f"{catalog.label}: files", reason)
    seen: list[int] = []
    block: list[NDArray[np.int16]] = []
    for number, _, facts, _, vector in catalog.whole_chunks(catalog.files.ids.tolist()):
        catalog.verify_text(number, facts[-1])
        seen.append(number)
        block.append(vector)
        if len(block) == 4096:
            yield from _vector_faults(catalog, seen, block)
            seen, block = [], []
    if block:
        yield from _vector_faults(catalog, seen, block)


def _vector_faults(catalog: ServerCatalog, ids: list[int], vectors: list[NDArray[np.int16]]) -> Iterator[Fault]:
    wrong = non_unit_rows(np.array(vectors))
    if len(wrong):
        reason = f"vectors of {len(wrong)} chunks are not of length 1, first chunk {ids[int(wrong[0])]}"
        yield Fault(f"{catalog.label}: vectors", reason)


def _posting_faults(snapshot: ServerSnapshot) -> Iterator[Fault]:
    """Yield the faults of postings: each chunk has as many terms as its length says, and all are known chunks."""
    catalog = snapshot.catalog
    known = np.union1d(catalog.files.chunk_ids(), catalog.removed_chunks)
    found, lengths = np.zeros(len(known), np.int64), np.zeros(len(known), np.int64)
    full = np.zeros(len(known), np.bool_)
    for postings in catalog.all_postings():
        places = np.minimum(np.searchsorted(known, postings.ids), max(len(known) - 1, 0))
        if not len(known) or (known[places] != postings.ids).any():
            yield Fault(f"{catalog.label}: postings", "name chunks that don't exist")
            return
        found[places] += postings.counts
        full[places] |= postings.counts == _FULL_COUNT
        before = lengths[places]
        lengths[places] = postings.lengths
        if ((before > 0) & (before != postings.lengths)).any():
            yield Fault(f"{catalog.label}: postings", "give a chunk two lengths")
            return
    if ((found != lengths) & ~full).any() or int(lengths.sum()) != snapshot.terms:
        yield Fault(f"{catalog.label}: postings", "have more or fewer terms than the lengths of chunks say")
