"""Index the documents of a dataset, as files in a folder."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote

from vsearch_core import config
from vsearch_core.embed.base import OpenEmbedder
from vsearch_core.errors import InputError
from vsearch_core.evaluate.dataset import JUDGEMENTS_DIR, QUERIES_FILE, Dataset
from vsearch_core.index.progress import Observer
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.snapshot import Snapshot, open_snapshot
from vsearch_core.index.sources import Source, stored_path
from vsearch_core.index.writer import update_index
from vsearch_core.text.discover import DiscoverOptions

CORPUS_DIR = "corpus"


@contextmanager
def indexed_corpus(
    folder: Path,
    dataset: Dataset,
    work: Path,
    requested: IndexOptions,
    open_embedder: OpenEmbedder,
    observer: Observer = Observer(),  # noqa: B008 - frozen
) -> Iterator[tuple[Snapshot, Callable[[str], str]]]:
    """Yield the index of a dataset's documents, and the function from a stored path to the judgements' document id.

    The index is in `work`, where an existing one is brought up to date. `folder` is what the dataset was loaded from.
    Raises InputError if `work` holds the index of another dataset.
    """
    work = work.absolute()
    corpus = folder.absolute() if dataset.documents is None else _write_corpus(dataset, work)
    index = work / config.INDEX_DIR
    options = DiscoverOptions(exclude=(f"/{QUERIES_FILE}", f"/{JUDGEMENTS_DIR}/"))
    update_index(index, [Source(corpus, options)], requested, open_embedder, observer)
    with open_snapshot(index) as snapshot:
        if list(snapshot.catalog.sources()) != [stored_path(work, corpus)]:
            raise InputError(str(work), "it holds the index of another dataset", "other-dataset")
        yield snapshot, lambda path: _document_id(dataset, corpus, work / path)


def _write_corpus(dataset: Dataset, folder: Path) -> Path:
    """Write each document of a BEIR corpus to a text file named after its id. Returns their folder."""
    corpus = folder / CORPUS_DIR
    corpus.mkdir(parents=True, exist_ok=True)
    wanted = {_file_name(key): document for key, document in (dataset.documents or {}).items()}
    for existing in corpus.iterdir():
        if existing.name not in wanted:
            existing.unlink()
    for name, document in wanted.items():
        text = f"{document.title}\n\n{document.text}" if document.title else document.text
        path = corpus / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    return corpus


def _document_id(dataset: Dataset, corpus: Path, path: Path) -> str:
    """Return the id that the judgements use for an indexed file."""
    relative = path.relative_to(corpus).as_posix()
    return relative if dataset.documents is None else unquote(relative.removesuffix(".txt"))


def _file_name(key: str) -> str:
    return quote(key, safe="").replace(".", "%2E") + ".txt"  # a leading dot would hide the file
