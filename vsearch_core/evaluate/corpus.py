"""A judged set's documents as files, indexed as any folder is."""

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
    """The index, in `work`, of the documents of a judged folder, and what turns a stored path into the judgements' id.

    What `work` holds already is brought up to date; InputError is raised when that is another set's.
    """
    work = work.absolute()
    corpus = folder.absolute() if dataset.documents is None else _write_corpus(dataset, work)
    index = work / config.INDEX_DIR
    questions = DiscoverOptions(exclude=(f"/{QUERIES_FILE}", f"/{JUDGEMENTS_DIR}/"))
    update_index(index, [Source(corpus, questions)], requested, open_embedder, observer)
    with open_snapshot(index) as snapshot:
        if list(snapshot.catalog.sources()) != [stored_path(work, corpus)]:
            raise InputError(str(work), "it holds the index of another dataset", "other-dataset")
        yield snapshot, lambda path: _document_id(dataset, corpus, work / path)


def _write_corpus(dataset: Dataset, folder: Path) -> Path:
    """Write a BEIR corpus as one text file a document, named after its id, so that it is indexed as any folder is."""
    corpus = folder / CORPUS_DIR
    corpus.mkdir(parents=True, exist_ok=True)
    wanted = {_file_name(number): passage for number, passage in (dataset.documents or {}).items()}
    for former in corpus.iterdir():
        if former.name not in wanted:
            former.unlink()
    for name, passage in wanted.items():
        text = f"{passage.title}\n\n{passage.text}" if passage.title else passage.text
        path = corpus / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    return corpus


def _document_id(dataset: Dataset, corpus: Path, path: Path) -> str:
    """The id that the judgements use for an indexed file."""
    relative = path.relative_to(corpus).as_posix()
    return relative if dataset.documents is None else unquote(relative.removesuffix(".txt"))


def _file_name(number: str) -> str:
    return quote(number, safe="").replace(".", "%2E") + ".txt"  # a leading dot would hide the file
