"""Files are packed and analyzed by the processes that read them, and the index is the same as without these."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from support import WordEmbedder, make_index

from vsearch_core.index import preparation
from vsearch_core.index.limits import IndexLimits
from vsearch_core.index.parts import chunk_postings, read_ids
from vsearch_core.index.preparation import ChunkTerms, TermStore
from vsearch_core.index.progress import Observer
from vsearch_core.index.settings import IndexOptions, IndexSettings
from vsearch_core.lexical.postings import Postings
from vsearch_core.lexical.row_terms import RowTerms
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.segment import open_segment

DOCS = Path("docs")
TEXTS = {
    "en.md": "# Pumps\n\nThe pump of the town is old, and it was repaired in 1999.\n\n## Valves\n\n" + "valve " * 300,
    "de.txt": "Die Straßenbahn fährt über die Brücke, und der Zug ist nicht pünktlich.",
    "ja.txt": "東京都の天気は晴れです。\u309bﾊﾟｿｺﾝ",
    "code.py": "def getUserName(x):\n    return x.foo_bar + 2026.4\n",
    "odd\u00e9.txt": "A null \0 in a text, a café and 🦆 <=> e-mail v1.2.3",
    "empty.txt": "\n\n",
    "page.html": "<html lang='fr'><title>Un titre</title><p>Le chat est sur la table et il dort.</p></html>",
}
OPTIONS = IndexOptions(chunk_words=20, overlap_words=5)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    for name, text in TEXTS.items():
        (tmp_path / "docs" / name).write_text(text, encoding="utf-8")
    return tmp_path


def segments(root: Path) -> Iterator[tuple[Postings, Postings]]:
    """Yield the postings of each segment, and those that one process makes of the texts in the catalog."""
    index = root / ".vsearch"
    with closing(Catalog.open_to_read(index)) as catalog:
        analysis = IndexSettings.from_catalog(catalog).analysis
        for record in catalog.segments():
            stored = Postings.from_arrays(open_segment(index, record.name, record.manifest))
            yield stored, chunk_postings(catalog, analysis, read_ids(index, record, "chunk_ids").tolist())


def assert_same_postings(root: Path) -> None:
    pairs = list(segments(root))
    assert pairs and sum(len(stored.lengths) for stored, _ in pairs) > len(TEXTS)
    for stored, made in pairs:
        for name, array in made.arrays().items():
            np.testing.assert_array_equal(array, stored.arrays()[name], strict=True)


def test_worker_processes_make_the_postings_that_one_process_makes(root: Path) -> None:
    make_index(root, WordEmbedder(), DOCS, options=OPTIONS)  # page.html is read by a worker
    assert_same_postings(root)


def test_this_process_makes_the_same_postings(root: Path) -> None:
    (root / "docs/page.html").unlink()
    make_index(root, WordEmbedder(), DOCS, options=OPTIONS)
    assert_same_postings(root)


def test_files_that_a_stopped_run_has_staged_get_the_same_postings(root: Path) -> None:
    seen: list[object] = []
    stopping = Observer(progress=seen.append, should_stop=lambda: len(seen) >= 3)
    limits = IndexLimits(files_per_transaction=1)
    make_index(root, WordEmbedder(), DOCS, options=OPTIONS, observer=stopping, limits=limits)
    make_index(root, WordEmbedder(), options=OPTIONS)
    assert_same_postings(root)


def test_terms_that_are_too_many_to_keep_are_made_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "MOST_BYTES", 200)
    make_index(root, WordEmbedder(), DOCS, options=OPTIONS)
    assert_same_postings(root)


def test_a_term_store_forgets_what_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "MOST_BYTES", 10)
    store = TermStore()
    terms = [ChunkTerms(RowTerms.of([word]), "en") for word in ("pump", "valve")]
    store.put(range(1, 3), terms)
    store.put([3], terms[1:])  # no room
    assert [store.get(number) for number in (1, 2, 3)] == [*terms, None]
    store.drop([1, 2, 3])
    store.put([3], terms[1:])
    assert [store.get(number) for number in (1, 2, 3)] == [None, None, terms[1]]


@pytest.mark.parametrize("terms", [[], ["a"], ["a", "b", "a"], ["a"] * 256, ["a"] * 255 + ["é", "\ud800"]])
def test_counted_terms(terms: list[str]) -> None:
    counted = RowTerms.of(terms)
    distinct = list(dict.fromkeys(terms))
    assert counted.split() == distinct
    assert list(counted.counts) == [min(255, terms.count(term)) for term in distinct]
    assert counted.length == len(terms)
