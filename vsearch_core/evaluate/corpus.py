"""Make an index of the documents of an evaluation folder, which also has queries and their relevance judgements."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from vsearch_core import config
from vsearch_core.embed.base import OpenEmbedder
from vsearch_core.errors import InputError
from vsearch_core.evaluate.dataset import ANSWERS_FILE, JUDGEMENTS_DIR, QUERIES_FILE, Dataset
from vsearch_core.index.progress import Observer
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.snapshot import Snapshot, open_snapshot
from vsearch_core.index.sources import Source, stored_path
from vsearch_core.index.writer import update_index
from vsearch_core.regular_files import open_regular
from vsearch_core.text.discover import DiscoverOptions

CORPUS_DIR = "corpus"


@dataclass(frozen=True, slots=True)
class Corpus:
    """The documents of an evaluation folder, as files that can be indexed.

    These are all files in `folder`, except the queries, judgements and marked answers, which match `exclude`. `work` is
    the folder in which the index is made.
    """

    dataset: Dataset
    work: Path
    folder: Path
    exclude: tuple[str, ...] = (f"/{QUERIES_FILE}", f"/{JUDGEMENTS_DIR}/", f"/{ANSWERS_FILE}")

    def document_id(self, path: str) -> str:
        """Return the document id of a file in the judgements, given its path as the index stores it."""
        return _document_id(self.dataset, self.folder, self.work / path)

    def refuse_other(self, sources: Iterable[str]) -> None:
        """Raise InputError unless `sources`, the index's sources as it stores them, are this corpus alone."""
        if list(sources) != [stored_path(self.work, self.folder)]:
            raise InputError(str(self.work), "it has the index of another dataset", "other-dataset")


def prepare_corpus(folder: Path, dataset: Dataset, work: Path) -> Corpus:
    """Return the corpus of an evaluation folder. Write the documents of a corpus.jsonl (BEIR) to files in `work`."""
    work = work.absolute()
    return Corpus(dataset, work, folder.absolute() if dataset.documents is None else _write_corpus(dataset, work))


@contextmanager
def indexed_corpus(
    folder: Path,
    dataset: Dataset,
    work: Path,
    requested: IndexOptions,
    open_embedder: OpenEmbedder,
    observer: Observer = Observer(),  # noqa: B008 - frozen
) -> Iterator[tuple[Snapshot, Callable[[str], str]]]:
    """Index the documents of an evaluation folder; yield the index's snapshot, and a function from stored paths to ids.

    The index is in the folder `work`. If one is there already, it is brought up to date. Raises InputError if it
    belongs to another dataset.
    """
    corpus = prepare_corpus(folder, dataset, work)
    index = corpus.work / config.INDEX_DIR
    sources = [Source(corpus.folder, DiscoverOptions(exclude=corpus.exclude))]
    update_index(index, sources, requested, open_embedder, observer)
    with open_snapshot(index) as snapshot:
        corpus.refuse_other(snapshot.catalog.sources())
        yield snapshot, corpus.document_id


def _write_corpus(dataset: Dataset, folder: Path) -> Path:
    """Write each document of a BEIR corpus to a text file named after its id. Returns their folder."""
    corpus = folder / CORPUS_DIR
    corpus.mkdir(parents=True, exist_ok=True)
    wanted = {_file_name(key): document for key, document in (dataset.documents or {}).items()}
    for existing in corpus.iterdir():
        if existing.name not in wanted:
            existing.unlink()
    for name, document in wanted.items():
        path, data = corpus / name, f"{document.heading}{document.text}".encode()
        if not path.exists() or _read(path) != data:
            path.write_bytes(data)
    return corpus


def _read(path: Path) -> bytes:
    with open_regular(path) as file:
        return file.read()


def _document_id(dataset: Dataset, corpus: Path, path: Path) -> str:
    """Return the id that the judgements use for an indexed file."""
    relative = path.relative_to(corpus).as_posix()
    return relative if dataset.documents is None else unquote(relative.removesuffix(".txt"))


def _file_name(key: str) -> str:
    return quote(key, safe="").replace(".", "%2E") + ".txt"  # a leading dot would hide the file
