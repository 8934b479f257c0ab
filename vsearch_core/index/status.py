"""Describe an index: its settings, counts and sizes."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path

from vsearch_core import config
from vsearch_core.index.named_sources import outside_paths
from vsearch_core.index.parts import CODED, GRAPH, IVF, PQ, part_sizes
from vsearch_core.index.pictures import load_image_model
from vsearch_core.index.settings import IndexSettings
from vsearch_core.index.snapshot import Snapshot
from vsearch_core.index.sources import CHOSEN, Source, catalog_sources, source_to_json
from vsearch_core.index.unembedded import count_without_staged_vector, live_chunks_without_vectors
from vsearch_core.model import Fingerprint, JsonValue
from vsearch_core.own_files import folder_bytes
from vsearch_core.store.pictures import count_figures, count_pictures
from vsearch_core.store.states import STATES, FileState, file_states
from vsearch_core.store.tables import CATALOG_FILE, DAMAGED_DIR, FORMAT
from vsearch_core.store.vectors import count_vectors, re_embedding_file, unfinished_re_embeddings
from vsearch_core.text.extract.registry import picture_extensions


@dataclass(frozen=True, slots=True)
class Status:
    """The settings, counts and sizes of an index.

    `size` has the bytes on disk of its vectors, graph, ivf (inverted lists), pq (PQ codes), postings, ids, text
    (compressed), catalog (without the text) and damaged files (copies that repairs have kept). `removed` are paths
    inside the sources that the user removed from the index. `dead_rows` is the number of deleted rows still on disk.
    `graph_segments` segments, with `graph_rows` rows, have a graph, and `ivf_segments`, with `ivf_rows` rows, have
    inverted lists; of `pq_segments` and `pq_rows`, the lists have PQ codes. `ann` is the choice between them (see
    `settings.check_ann`). `vectors` is "none" if the index keeps only codes of its vectors, as `coded_segments`
    segments with `coded_rows` rows do; the others are too small as yet. `pending_files` and `pending_chunks` are the
    files and chunks that a run that was stopped, or still goes on, has not embedded; of these, only keywords find the
    `keyword_files` and `keyword_chunks`, and nothing finds the others. `re_embedding` is True if a re-embedding was
    stopped. `coming` identifies the model whose vectors are to replace the index's interim vectors, or is None if it
    has none of these; `coming_texts` is the number of texts that it has embedded. `outside` are the sources outside the
    folder around the index. `walks` has the options with which each source was walked last, by path. `files_by_state`
    has the number of files in each state of `store.states.STATES`, and in the state "keywords" if there are any.
    `image_model` identifies the model that sees pictures, of which `picture_vectors` files have a vector, and
    `figure_vectors` pictures inside documents; it is None if there is none.
    """

    index: Path | str
    format: int
    generation: int
    last_commit: str | None
    sources: tuple[str, ...]
    removed: tuple[str, ...]
    files: int
    chunks: int
    segments: int
    dead_rows: int
    graph_segments: int
    graph_rows: int
    pending_files: int
    pending_chunks: int
    re_embedding: bool
    fingerprint: Fingerprint
    chunk_words: int
    overlap_words: int
    language: str
    size: Mapping[str, int]
    files_by_state: Mapping[str, int]
    outside: tuple[str, ...] = ()
    walks: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)
    ann: str = config.ANN_CHOICES[0]
    ivf_segments: int = 0
    ivf_rows: int = 0
    pq_segments: int = 0
    pq_rows: int = 0
    keyword_files: int = 0
    keyword_chunks: int = 0
    image_model: Fingerprint | None = None
    picture_vectors: int = 0
    figure_vectors: int = 0
    vectors: str = config.VECTORS_CHOICES[0]
    coded_segments: int = 0
    coded_rows: int = 0
    coming: Fingerprint | None = None
    coming_texts: int = 0


def read_status(snapshot: Snapshot) -> Status:
    """Return the status of the generation that the snapshot has open."""
    catalog, settings = snapshot.catalog, snapshot.settings
    records = catalog.segments()
    root = catalog.index.parent
    sources = sorted(zip(catalog.sources(), catalog_sources(root, catalog), strict=True), key=itemgetter(0))
    linked = [record for record in records if GRAPH.is_in(record.manifest)]
    grouped = [record for record in records if IVF.is_in(record.manifest)]
    quantised = [record for record in records if PQ.is_in(record.manifest)]
    coded = [record for record in records if CODED.is_in(record.manifest)]
    live, staged, unembedded = catalog.counts()
    chunks_without, files_without = live_chunks_without_vectors(catalog)
    keyword_files = {*files_without.tolist()}
    images = load_image_model(catalog)
    return Status(
        index=catalog.index,
        format=FORMAT.version,
        generation=snapshot.generation,
        last_commit=catalog.settings().get("last_commit"),
        sources=tuple(path for path, source in sources if source.options is not None),
        removed=tuple(path for path, source in sources if source.options is None),
        files=live,
        chunks=sum(record.live_rows for record in records),
        segments=len(records),
        dead_rows=sum(record.rows - record.live_rows for record in records),
        graph_segments=len(linked),
        graph_rows=sum(record.rows for record in linked),
        pending_files=staged + len(keyword_files),
        pending_chunks=unembedded + count_without_staged_vector(catalog, chunks_without),
        re_embedding=bool(unfinished_re_embeddings(catalog.index)),
        fingerprint=settings.fingerprint,
        chunk_words=settings.chunk_words,
        overlap_words=settings.overlap_words,
        language=settings.language,
        size=_sizes(snapshot),
        files_by_state=_by_state(snapshot, keyword_files),
        outside=outside_paths(root, (source for _, source in sources)),
        walks=walks_of(sources),
        ann=settings.ann,
        ivf_segments=len(grouped),
        ivf_rows=sum(record.rows for record in grouped),
        pq_segments=len(quantised),
        pq_rows=sum(record.rows for record in quantised),
        keyword_files=len(keyword_files),
        keyword_chunks=len(chunks_without),
        image_model=None if images is None else images.fingerprint,
        picture_vectors=0 if images is None else count_pictures(catalog, picture_extensions(), images.key),
        figure_vectors=0 if images is None else count_figures(catalog, images.key),
        vectors=settings.vectors,
        coded_segments=len(coded),
        coded_rows=sum(record.rows for record in coded),
        coming=None if settings.coming is None else settings.coming.fingerprint,
        coming_texts=0 if settings.coming is None else _coming_texts(catalog.index, settings),
    )


def _coming_texts(index: Path, settings: IndexSettings) -> int:
    """Return the number of texts that the coming model has embedded."""
    return count_vectors(re_embedding_file(index, settings.target.to_catalog()))


def walks_of(sources: Iterable[tuple[str, Source]]) -> dict[str, dict[str, JsonValue]]:
    """Return the options with which each source was walked last, by path. Removed paths have none."""
    return {
        path: {key: value for key, value in sorted(source_to_json(source).items()) if key != CHOSEN}
        for path, source in sources
        if source.options is not None
    }


def read_states(snapshot: Snapshot) -> Iterator[FileState]:
    """Yield the state of each file, sorted by path. Raises IndexCorruptError if the list of files is damaged."""
    snapshot.catalog.refuse_damaged_files(sum(record.live_rows for record in snapshot.catalog.segments()))
    return file_states(snapshot.catalog, set(live_chunks_without_vectors(snapshot.catalog)[1].tolist()))


def _by_state(snapshot: Snapshot, keyword_files: set[int]) -> dict[str, int]:
    counts = Counter(file.state for file in file_states(snapshot.catalog, keyword_files))
    return {state: counts[state] for state in (*STATES, *(counts.keys() - {*STATES}))}


def _sizes(snapshot: Snapshot) -> dict[str, int]:
    catalog = snapshot.catalog
    files = (catalog.index / f"{CATALOG_FILE}{suffix}" for suffix in ("", "-wal"))
    text = catalog.text_bytes()
    rest = sum(path.stat().st_size for path in files if path.exists()) - text
    aside = folder_bytes(catalog.index / DAMAGED_DIR, within=catalog.index)
    segments = part_sizes(catalog.segments())
    segments["catalog"] += rest
    parts = dict.fromkeys(("vectors", "graph", "postings", "ids", *segments))  # in the order of earlier versions
    del parts["catalog"]
    return {**{part: segments[part] for part in parts}, "text": text, "catalog": segments["catalog"], "damaged": aside}
