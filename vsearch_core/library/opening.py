"""The functions of the public API that open something."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vsearch_core.config import CONFIG_FILE, INDEX_DIR, RERANKED
from vsearch_core.errors import IndexNotFoundError
from vsearch_core.library.embedders import Approve, Consent, Embedders
from vsearch_core.library.index import Index
from vsearch_core.library.options import absolute

if TYPE_CHECKING:
    from vsearch_core.embed.base import OpenEmbedder
    from vsearch_core.index.pictures import OpenImageEmbedder
    from vsearch_core.index.progress import Observer
    from vsearch_core.index.repair import RepairSummary
    from vsearch_core.library.readers import KeptReaders
    from vsearch_core.library.server_index import ServerIndex
    from vsearch_core.search.rerank import Rerank


def open_index(
    path: str | Path,
    *,
    create: bool = False,
    embedder: str | None = None,
    model: str | None = None,
    dimension: int | None = None,
    base_url: str | None = None,
    chunk_words: int | None = None,
    overlap_words: int | None = None,
    language: str | None = None,
    ann: str | None = None,
    image_model: str | None = None,
    vectors: str | None = None,
    api_key: str | None = None,
    default_base_urls: Mapping[str, str] | None = None,
    cache_dir: str | Path | None = None,
    open_embedder: "OpenEmbedder | None" = None,
    consent: Consent | None = None,
    approve: Approve | None = None,
    share_vectors: bool = False,
    read_examples: bool = True,
    open_image_embedder: "OpenImageEmbedder | None" = None,
    observer: "Observer | None" = None,
    readers: "KeptReaders | None" = None,
) -> Index:
    """Return the index at `path`. Its files are opened when one of its methods is called for the first time.

    Args:
        path: A folder of documents, whose index is the subfolder `.vsearch`; or an index folder itself.
        create: Allow a path without an index; the first call of `Index.update` creates it.
        embedder: The kind of embedder: "local", "static", "sentence-transformers", "gemini" or "openai". A new index
            gets "local" by default. For an existing index, this and the next six arguments must be None or match its
            settings. `Index.re_embed` changes the index's embedder to the first four.
        model: The model's name, or the folder that contains it.
        dimension: The length of the vectors, if the model offers several.
        base_url: The address of a remote embedder, if it is not the provider's own.
        chunk_words: The approximate number of words in a chunk.
        overlap_words: The number of words that neighbouring chunks share.
        language: The language to stem keywords in, such as "en"; "auto" detects it for each chunk, "none" turns
            stemming off.
        ann: What large segments get to search their vectors by: "graph", "ivf" (inverted lists, which take less memory
            and are slower to search), "pq" or "pqN" (inverted lists with codes of 64 or N bytes a vector, 8 to 256, by
            product quantisation), "flat" (nothing: all vectors are compared) or "auto" (a graph, unless building it
            takes too much memory). For an existing index, another choice than before is made real by the next update.
        image_model: A CLIP or SigLIP model, by name or folder. The next update gives each picture a vector of it, by
            which searches find what pictures show; another model than before replaces all of these vectors, and "none"
            ends this. By default, the index keeps the model that it has.
        vectors: "none" keeps only codes of the vectors once there are 1,024 chunks, about 0.2 kB a chunk; queries then
            embed the texts of their best candidates again. "keep", the default, keeps the vectors.
        api_key: The key for a remote embedder. It is sent only to the provider's own address, and to an address that
            this call names or `consent` allows.
        default_base_urls: The addresses of remote embedders by provider, used if neither `base_url` nor the index gives
            one.
        cache_dir: The folder for prepared models and shared vectors; by default the platform's cache folder.
        open_embedder: A function that opens the embedder for an `EmbedderSpec`, instead of the library's own embedders.
        consent: A function that is called with the `EmbedderSpec` and an address, such as
            "https://api.openai.com/v1", before any text is sent there; it returns False to refuse. By default, text is
            sent only to an embedder that this call names.
        approve: A function that is called before an embedder is opened that the index names and the user has never
            chosen on this machine. Its argument maps the new settings ("embedder", "model", "base_url") to their
            values; it returns False to refuse. By default, such an embedder is refused, unless `open_embedder` is
            given, which can then refuse it itself.
        open_image_embedder: A function that opens the embedder for an image model, instead of the library's own.
        share_vectors: Share the vectors of equal texts with the user's other indexes, by a file in the cache folder.
        read_examples: Allow `similar`, `more_like` and `less_like` to name files that are not in the index, which are
            then read from disk. Set it to False if others choose these names.
        observer: Callbacks that report the progress of long methods and can stop them.
        readers: Open files of this index, which stay open after `close`; by default, the index opens its own.

    Raises:
        IndexNotFoundError: There is no index at `path`, and `create` is false.
        StorageError: The folder can't be read.
    """
    from vsearch_core.index.progress import Observer
    from vsearch_core.index.settings import IndexOptions

    folder = index_folder(path) if create else existing_index(path)
    model, image_model = _located(model), _located(image_model)
    requested = IndexOptions(
        embedder,
        model,
        chunk_words,
        overlap_words,
        language,
        dimension,
        base_url,
        default_base_urls or {},
        ann,
        image_model,
        vectors,
    )
    cache = None if cache_dir is None else Path(cache_dir)
    observer = observer or Observer()
    own = (open_embedder, consent, approve, api_key, open_image_embedder)
    embedders = Embedders(folder, requested, cache, *own, observer.preparing)
    return Index(
        folder,
        requested,
        embedders,
        observer,
        share_vectors=share_vectors,
        cache_dir=cache,
        read_examples=read_examples,
        readers=readers,
    )


def open_server_index(
    address: str,
    *,
    root: str | Path | None = None,
    embedder: str | None = None,
    model: str | None = None,
    dimension: int | None = None,
    base_url: str | None = None,
    chunk_words: int | None = None,
    overlap_words: int | None = None,
    language: str | None = None,
    ann: str | None = None,
    api_key: str | None = None,
    default_base_urls: Mapping[str, str] | None = None,
    cache_dir: str | Path | None = None,
    open_embedder: "OpenEmbedder | None" = None,
    consent: Consent | None = None,
    approve: Approve | None = None,
    read_examples: bool = True,
    observer: "Observer | None" = None,
    image_model: str | None = None,
    open_image_embedder: "OpenImageEmbedder | None" = None,
) -> "ServerIndex":
    """Return the index on a server: PostgreSQL with pgvector (extra `postgres`), or Milvus (extra `milvus`).

    The first call of `ServerIndex.update` creates it. Nothing connects before a method is called.

    Args:
        address: Such as `postgresql://host1,host2/db?schema=notes`, of which everything but `schema` is libpq's;
            `milvus://host:19530/collection?num_shards=2&replica_number=2`; or `milvus:///folder/notes.db`, a file of
            Milvus Lite. Messages never show its password.
        root: The folder that paths in the index start from; by default the working folder. Documents are staged in a
            subfolder of it, `.vsearch-server-…`.
        embedder: This and the other arguments are as for `open_index`. Only `ann="flat"` makes a difference to the
            others: the server then gets no graph.
        model: As for `open_index`.
        dimension: As for `open_index`.
        base_url: As for `open_index`.
        chunk_words: As for `open_index`.
        overlap_words: As for `open_index`.
        language: As for `open_index`.
        ann: As for `open_index`.
        api_key: As for `open_index`.
        default_base_urls: As for `open_index`.
        cache_dir: As for `open_index`.
        open_embedder: As for `open_index`.
        consent: As for `open_index`.
        approve: As for `open_index`.
        read_examples: As for `open_index`.
        observer: As for `open_index`.
        image_model: As for `open_index`.
        open_image_embedder: As for `open_index`.

    Raises:
        InputError: The address can't be parsed.
    """
    from vsearch_core.index.progress import Observer
    from vsearch_core.index.settings import IndexOptions
    from vsearch_core.library.server_index import ServerIndex
    from vsearch_core.store.server.address import parse_server_address

    place = parse_server_address(address)
    folder = absolute(root or Path.cwd())
    model, image_model = _located(model), _located(image_model)
    requested = IndexOptions(
        embedder,
        model,
        chunk_words,
        overlap_words,
        language,
        dimension,
        base_url,
        default_base_urls or {},
        ann,
        image_model,
    )
    cache = None if cache_dir is None else Path(cache_dir)
    staging, observer = folder / place.folder_name, observer or Observer()
    own = (open_embedder, consent, approve, api_key, open_image_embedder)
    embedders = Embedders(staging, requested, cache, *own, observer.preparing)
    return ServerIndex(place, folder, requested, embedders, observer, read_examples=read_examples)


def _located(model: str | None) -> str | None:
    """Return a model's name, or the absolute path of its folder."""
    return str(absolute(model)) if model is not None and Path(model).is_dir() else model


def existing_index(path: str | Path) -> Path:
    """Return the absolute path of the index folder for `path`. Raises IndexNotFoundError and StorageError."""
    folder = index_folder(path)
    if not folder.is_dir():
        raise _no_index(path)
    return folder


def index_folder(path: str | Path) -> Path:
    """Return the absolute path of the index folder for `path`, whether it exists or not.

    If `path` is a folder of documents, the index folder is its subfolder `.vsearch`, because an index is never mixed
    with a user's files. Otherwise `path` is the index folder itself. Raises StorageError.
    """
    from vsearch_core.store.io_errors import file_errors

    folder = absolute(path)
    inner = folder / INDEX_DIR
    with file_errors(folder):
        is_project = inner.is_dir() or (folder.name != INDEX_DIR and folder.is_dir() and _has_documents(folder))
    return inner if is_project else folder


def _has_documents(folder: Path) -> bool:
    """Return True if the folder contains anything that is not a file of an index."""
    from vsearch_core.index.runs import LOG_FILE, RUN_FILE
    from vsearch_core.store.connections import has_lost_catalog
    from vsearch_core.store.lock import GIT_IGNORE, HOLDER_FILE, LOCK_FILE
    from vsearch_core.store.segment import SEGMENTS_DIR
    from vsearch_core.store.tables import CATALOG_FILE

    ours = (CATALOG_FILE, HOLDER_FILE, CONFIG_FILE, GIT_IGNORE, RUN_FILE, LOG_FILE)
    names = {path.name for path in folder.iterdir() if not path.name.startswith(ours)}
    begun = {LOCK_FILE, SEGMENTS_DIR} if LOCK_FILE in names else set()  # left by an interrupted import
    return not (folder / CATALOG_FILE).exists() and not has_lost_catalog(folder) and not names <= begun


def repair_index(
    path: str | Path,
    *,
    re_embed: bool = False,
    cache_dir: str | Path | None = None,
    open_embedder: "OpenEmbedder | None" = None,
    consent: Consent | None = None,
    approve: Approve | None = None,
    observer: "Observer | None" = None,
    salvaged: Callable[["RepairSummary"], None] | None = None,
) -> "RepairSummary":
    """Repair a damaged index, and return a summary of the repair. An intact index is not changed.

    Derived data, such as keyword postings, is computed again from the texts and vectors that are intact. Damaged files
    are kept in the folder `damaged` inside the index folder.

    Args:
        path: As for `open_index`.
        re_embed: Embed the chunks that have lost their vectors now; otherwise the next `Index.update` does so.
        cache_dir: As for `open_index`.
        open_embedder: As for `open_index`.
        consent: As for `open_index`.
        approve: As for `open_index`.
        observer: As for `open_index`.
        salvaged: A function that is called with the summary so far when a damaged catalog has been replaced.

    Raises:
        IndexNotFoundError: There is no index at `path`.
        IndexCorruptError: The catalog is damaged beyond repair.
    """
    from vsearch_core.evaluate.feedback import accept_losses, lost_bytes, set_damaged_lines_aside
    from vsearch_core.index import repair
    from vsearch_core.index.progress import Observer
    from vsearch_core.index.settings import IndexOptions

    folder = index_folder(path)
    if not folder.is_dir():
        raise _no_index(path)
    cache = None if cache_dir is None else Path(cache_dir)
    opener = None
    if re_embed:
        opener = Embedders(folder, IndexOptions(), cache, open_embedder, consent, approve).open
    summary = repair.repair_index(folder, opener, observer or Observer(), salvaged or _ignore)
    lost, aside = lost_bytes(folder) or 0, set_damaged_lines_aside(folder)
    accept_losses(folder)
    return replace(summary, set_aside=[*summary.set_aside, *([str(aside)] if aside else [])], feedback_lost=lost)


def _no_index(path: str | Path) -> IndexNotFoundError:
    return IndexNotFoundError(str(path), "there is no index here")


def open_reranker(model: str | Path, depth: int = RERANKED) -> "Rerank":
    """Open a cross-encoder for the option `rerank` of a search. It scores the `depth` best candidates again.

    `model` is its folder, or its name on the Hugging Face hub. Raises ModelError.
    """
    from vsearch_core.embed.cross_encoder import open_cross_encoder
    from vsearch_core.search.rerank import Rerank

    return Rerank(open_cross_encoder(str(model)), depth)


def _ignore(_: object) -> None:
    pass
