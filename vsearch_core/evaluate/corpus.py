"""A judged set's documents as files, indexed as any folder is."""

from pathlib import Path
from urllib.parse import quote, unquote

from vsearch_core.evaluate.dataset import JUDGEMENTS_DIR, QUERIES_FILE, Dataset
from vsearch_core.index.sources import Source
from vsearch_core.text.discover import DiscoverOptions

CORPUS_DIR = "corpus"


def corpus_source(corpus: Path) -> Source:
    """What of the folder is to be indexed: all but the questions."""
    return Source(corpus, DiscoverOptions(exclude=(f"/{QUERIES_FILE}", f"/{JUDGEMENTS_DIR}/")))


def write_corpus(dataset: Dataset, folder: Path) -> Path:
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


def document_id(dataset: Dataset, corpus: Path, path: Path) -> str:
    """The id that the judgements use for an indexed file."""
    relative = path.relative_to(corpus).as_posix()
    return relative if dataset.documents is None else unquote(relative.removesuffix(".txt"))


def _file_name(number: str) -> str:
    return quote(number, safe="").replace(".", "%2E") + ".txt"  # a leading dot would hide the file
