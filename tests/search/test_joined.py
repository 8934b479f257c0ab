"""Several indexes are searched exactly as one index of all their documents would be."""

import random
import string
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from contracts.searcher import EMBEDDER, OPTIONS, SearcherContract, answered, write_documents
from support import NarrowEmbedder, WordEmbedder

from vsearch_core.embed.base import Embedder
from vsearch_core.errors import FilterError
from vsearch_core.index.joined import open_joined
from vsearch_core.index.progress import Observer
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.index.sources import Source
from vsearch_core.index.writer import update_index
from vsearch_core.search.engine import Searcher
from vsearch_core.search.examples import ExampleSources, find_example
from vsearch_core.search.filters import Filters
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import query_embedding, search
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.results import Results
from vsearch_core.search.rocchio import Example
from vsearch_core.text.chunk import ChunkOptions
from vsearch_core.text.discover import DiscoverOptions


def write_index(index: Path, files: Sequence[Path], embedder: Embedder = EMBEDDER, **options: str) -> Path:
    """Index the files into the folder `index`."""
    made_with = replace(OPTIONS, **options)  # type: ignore[arg-type]
    sources = [Source(file, DiscoverOptions()) for file in files]
    update_index(index, sources, made_with, lambda _spec: embedder, Observer())
    return index


@contextmanager
def searcher_of(*indexes: Path) -> Iterator[LocalSearcher]:
    with open_joined(indexes) as snapshot:
        yield LocalSearcher(snapshot)


class TestJoinedSearcher(SearcherContract):
    """Three indexes: one of the documents' folder docs, one of notes, one of the rest."""

    @classmethod
    @contextmanager
    def open_searcher(cls, index: Path) -> Iterator[Searcher]:
        root = index.parent
        groups: dict[str, list[Path]] = {"docs": [], "notes": [], "rest": []}
        for file in sorted(root.rglob("*.*")):
            top = file.relative_to(root).parts[0]
            if file.is_file() and not top.startswith("."):
                groups[top if top in groups else "rest"].append(file)
        indexes = [write_index(root / f".{name}", files) for name, files in groups.items() if files]
        with searcher_of(*indexes) as searcher:
            yield searcher


# The property: any split of a corpus gives the same hits and scores

WORDS = ["pump", "valve", "river", "bread", "oven", "heron", "stone", "mill", "winter", "letter", "Wasser", "Ventil"]
NAMES = ["pump.md", "note 2025.txt", "note 2026.txt", "policy-2025.md", "policy-2026.md", "a.txt", "b.txt", "c.txt"]
FOLDERS = ["", "docs/", "docs/deep/", "notes/"]
QUERIES = ["pump valve", "the current river", "Wasserventil", "Ventil", '"pump valve" -bread', "+river mill*", "zzz"]
CHANGES: list[dict[str, object]] = [
    {},
    {"mode": "vector"},
    {"mode": "keyword"},
    {"collapse": True},
    {"group_by_file": True, "k": 4},
    {"fusion": "rrf"},
    {"context": 1, "k": 5},
    {"max_tokens": 200},
    {"offset": 3, "k": 4, "collapse": True},
    {"offset": 5, "k": 9, "group_by_file": True},
    {"filters": Filters(path=("docs",))},
    {"filters": Filters(where="ext = 'txt' AND size > 20")},
    {"diversity": 0.5, "k": 5},
]


def shown(results: Results) -> object:
    """Return all that the results say about the hits, with exact scores, but for the index of each."""
    hits = [
        replace(hit, index=None, alike=tuple(replace(each, index=None) for each in hit.alike)) for hit in results.hits
    ]
    return results.searched, results.matched, results.terms, results.tokens, results.more, results.skipped, hits


@pytest.mark.parametrize("narrow", [False, True], ids=["calibrated floor", "measured floor"])
@pytest.mark.parametrize("seed", range(3))
def test_any_split_gives_the_same_hits_and_scores(tmp_path: Path, seed: int, narrow: bool) -> None:
    root, chance = tmp_path, random.Random(f"{seed}{narrow}")
    names = [folder + name for folder in FOLDERS for name in NAMES]
    files = {
        name: " ".join(chance.choices([*WORDS, "the", "und", "die", "now"], k=chance.randint(1, 70)))
        for name in chance.sample(names, chance.randint(4, 20))
    }
    owners = [chance.randrange(chance.randint(1, 4)) for _ in range(60)]
    embedder = NarrowEmbedder() if narrow else EMBEDDER
    for number in range(30):  # enough chunks for the floor of cosines to be measured
        files[f"many/{number}.txt"] = " ".join(chance.choices(WORDS, k=12)) if number % 3 else "bread oven stone"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    write_index(root / ".all", [root], embedder)
    parts: dict[int, list[Path]] = {}
    for number, name in enumerate(sorted(files)):
        parts.setdefault(owners[number], []).append(root / name)
    indexes = [write_index(root / f".part{number}", paths, embedder) for number, paths in parts.items()]
    chance.shuffle(indexes)
    with open_snapshot(root / ".all") as snapshot, searcher_of(*indexes) as joined:
        one = LocalSearcher(snapshot)
        for text in QUERIES:
            for changes in CHANGES:
                request = SearchRequest(text, **{"k": 60, **changes})  # type: ignore[arg-type]
                expected, found = (search(each, request, query_embedding(embedder)) for each in (one, joined))
                assert shown(found) == shown(expected), (text, changes)
        texts = [hit.text for hit in search(one, SearchRequest("pump"), query_embedding(embedder)).hits]
        request = SearchRequest("pump valve")
        assert joined.excerpts(request, texts) == one.excerpts(request, texts)


def test_examples_count_as_in_one_index(tmp_path: Path) -> None:
    write_documents(tmp_path)
    files = sorted(path for path in tmp_path.rglob("*.*") if path.is_file())
    write_index(tmp_path / ".all", [tmp_path])
    halves = [write_index(tmp_path / ".a", files[::2]), write_index(tmp_path / ".b", files[1::2])]
    found = []
    with open_snapshot(tmp_path / ".all") as snapshot, searcher_of(*halves) as joined:
        for searcher in (LocalSearcher(snapshot), joined):
            ids = searcher.chunk_ids("notes/bread.txt")
            example = Example(searcher.vectors(ids)[0], (searcher.hydrate(ids)[0].chunk.text,), ids)
            found.append([answered(searcher, SearchRequest("river", 30, more_like=(example,)))])
            found[-1].append(
                answered(searcher, SearchRequest("", 9, "vector", more_like=(example,), examples_only=True))
            )
    assert [shown(each) for each in found[0]] == [shown(each) for each in found[1]]


# Indexes of different folders


@pytest.fixture
def folders(tmp_path: Path) -> Sequence[Path]:
    """Two projects with an index each; both have a file of the same name."""
    for name, text in (("plant", "The relief valve of the pump leaks."), ("home", "The oven and the bread pump.")):
        (tmp_path / name / "notes").mkdir(parents=True)
        (tmp_path / name / "notes" / "today.txt").write_text(text)
    (tmp_path / "plant" / "policy-2025.txt").write_text("The policy on pumps says to test them twice a year, by hand.")
    (tmp_path / "home" / "policy-2026.txt").write_text("The policy on pumps says to test them three times a year.")
    return [write_index(tmp_path / name / ".vsearch", [tmp_path / name]) for name in ("plant", "home")]


def test_hits_say_which_index_they_are_from(folders: Sequence[Path]) -> None:
    with searcher_of(*folders) as searcher:
        hits = answered(searcher, SearchRequest("pump leaks bread", mode="keyword")).hits
    assert {(hit.path, hit.index) for hit in hits if "today" in hit.path} == {
        ("plant/notes/today.txt", str(folders[0])),
        ("home/notes/today.txt", str(folders[1])),
    }


def test_globs_are_relative_to_the_common_folder(folders: Sequence[Path]) -> None:
    with searcher_of(*folders) as searcher:
        found = searcher.hydrate(searcher.select(Filters(path=("home/notes",))).ids)
        assert [stored.path for stored in found] == ["home/notes/today.txt"]
        assert len(searcher.chunk_ids("home/notes/today.txt")) == 1
        assert len(searcher.chunk_ids("nowhere.txt")) == 0
        with pytest.raises(FilterError):
            searcher.select(Filters(where="no such column ="))


def test_a_generation_of_any_index_is_a_generation_of_all(folders: Sequence[Path]) -> None:
    with searcher_of(*folders) as searcher:
        before = searcher.generation
    (folders[1].parent / "more.txt").write_text("More bread.")
    write_index(folders[1], [])
    with searcher_of(*folders) as searcher:
        assert searcher.generation == before + 1


# Another embedder


OTHER = WordEmbedder("other", dimension=32)


@pytest.fixture
def mixed(tmp_path: Path) -> Sequence[Path]:
    for number in range(6):
        (tmp_path / f"{number}.txt").write_text(f"The pump number {number} " + string.ascii_lowercase[number] * 4)
    files = [tmp_path / f"{number}.txt" for number in range(6)]
    return [
        write_index(tmp_path / ".first", files[:2]),
        write_index(tmp_path / ".other", files[2:4], OTHER),
        write_index(tmp_path / ".last", files[4:]),
    ]


def test_an_index_of_another_embedder_is_searched_by_keywords_only(mixed: Sequence[Path]) -> None:
    with open_joined(mixed) as snapshot:
        assert snapshot.keyword_only == (str(mixed[1]),)
        searcher = LocalSearcher(snapshot)
        keyword = answered(searcher, SearchRequest("pump number", mode="keyword"))
        assert len(keyword.hits) == 6
        vector = answered(searcher, SearchRequest("pump number", mode="vector"))
        assert {hit.index for hit in vector.hits} == {str(mixed[0]), str(mixed[2])}
        assert vector.matched == 6
        hybrid = answered(searcher, SearchRequest("pump number", collapse=True))
        others = [hit for hit in hybrid.hits if hit.index == str(mixed[1])]
        assert len(others) == 2 and all(hit.scores["vector"] is None and hit.scores["keyword"] for hit in others)
        assert all(hit.scores["vector"] is not None for hit in hybrid.hits if hit not in others)
        words = [answered(searcher, SearchRequest(f'"pump number {n}"', mode="vector")).hits for n in range(6)]
        assert [len(hits) for hits in words] == [1, 1, 0, 0, 1, 1]


def test_an_example_from_an_index_of_another_embedder_is_embedded(mixed: Sequence[Path], tmp_path: Path) -> None:
    with searcher_of(*mixed) as searcher:
        sources = ExampleSources(lambda name: name, tmp_path, ChunkOptions(40, 8), lambda: EMBEDDER)
        example = find_example("2.txt", searcher, sources)
    text = (tmp_path / "2.txt").read_text()
    np.testing.assert_allclose(example.vector, EMBEDDER.embed_queries([text])[0], atol=1e-6)


def test_indexes_in_different_languages_are_searched_in_both(tmp_path: Path) -> None:
    (tmp_path / "en.txt").write_text("She tests the pumps.")
    (tmp_path / "de.txt").write_text("Die Häuser sind alt.")
    english = write_index(tmp_path / ".en", [tmp_path / "en.txt"], language="en")
    german = write_index(tmp_path / ".de", [tmp_path / "de.txt"], language="de")
    with searcher_of(english, german) as searcher:
        for text, path in (("testing pump", "en.txt"), ("Haus", "de.txt")):
            assert [hit.path for hit in answered(searcher, SearchRequest(text, mode="keyword")).hits] == [path]


def test_files_of_one_index_outside_its_folder_have_one_path(tmp_path: Path) -> None:
    (tmp_path / "near").mkdir()
    (tmp_path / "far").mkdir()
    (tmp_path / "near" / "a.txt").write_text("The pump is near.")
    (tmp_path / "far" / "b.txt").write_text("The pump is far.")
    both = write_index(tmp_path / "near" / ".vsearch", [tmp_path / "near" / "a.txt", tmp_path / "far" / "b.txt"])
    far = write_index(tmp_path / "far" / ".vsearch", [tmp_path / "far" / "b.txt"])
    with searcher_of(both, far) as searcher:
        hits = answered(searcher, SearchRequest("pump", mode="keyword", context=1)).hits
        assert sorted((hit.path, Path(hit.index or "").parent.name) for hit in hits) == [
            ("far/b.txt", "far"),
            ("far/b.txt", "near"),
            ("near/a.txt", "near"),
        ]
        assert searcher._snapshot.catalog.live_paths() == ["far/b.txt", "near/a.txt"]


def test_options_of_another_index_stay_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("word " * 200)
    (tmp_path / "b.txt").write_text("word " * 200)
    options = IndexOptions(chunk_words=100, overlap_words=0)
    update_index(
        tmp_path / ".a", [Source(tmp_path / "a.txt", DiscoverOptions())], options, lambda _spec: EMBEDDER, Observer()
    )
    small = write_index(tmp_path / ".b", [tmp_path / "b.txt"])
    with searcher_of(tmp_path / ".a", small) as searcher:
        assert len(searcher.chunk_ids("a.txt")) < len(searcher.chunk_ids("b.txt"))
        assert len(answered(searcher, SearchRequest("word", 50)).hits) > 2
