"""Random sequences of all operations on documents and indexes, compared with a plain dict."""

import io
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support import WordEmbedder, make_index

from vsearch_core.index.check import check_index
from vsearch_core.index.commit import sweep
from vsearch_core.index.compaction import compact, compact_index
from vsearch_core.index.progress import Observer
from vsearch_core.index.removal import remove_paths
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.snapshot import Snapshot, open_snapshot
from vsearch_core.index.transfer import export_index, import_index
from vsearch_core.index.writer import UpdateSummary
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import EmbeddedQuery, search
from vsearch_core.search.recall import recall_faults
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.results import Hit
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.files import Data
from vsearch_core.store.lock import writer_lock
from vsearch_core.text.chunk import ChunkOptions, split
from vsearch_core.text.extract.registry import extract

WORDS = ("pump", "valve", "loaf", "oven", "river", "seed", "lamp", "glue")
FOLDERS = ("docs", "docs/a", "docs/b")
PATHS = tuple(f"{folder}/{name}.txt" for folder in FOLDERS for name in ("one", "two", "three"))
SIZES = ChunkOptions(20, 2)
ALL = 10_000

texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=70).map(" ".join)
paths = st.sampled_from(PATHS)
some_words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join)
State = dict[str, str]


def holds(folder: str, path: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


@cache
def chunks(text: str) -> tuple[str, ...]:
    return tuple(chunk.text for chunk in split(extract("a.txt", text.encode()), SIZES))


class Operations(RuleBasedStateMachine):
    """Texts by path: those on disk (`disk`), and those in the index (`live`).

    `begun` are the texts that stopped runs may have staged; `sources` maps named and removed paths to True if indexed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="operations"))
        self.index = self.root / ".vsearch"
        self.embedder = WordEmbedder(dimension=16, batch=2)
        self.disk: State = {}
        self.live: State = {}
        self.begun: list[State] = []
        self.sources: dict[str, bool] = {}
        self.seconds = 1_700_000_000
        self.archives: list[tuple[bytes, State]] = []
        self.readers: list[tuple[Iterator[Snapshot], Snapshot, State]] = []
        for folder in FOLDERS:
            (self.root / folder).mkdir()

    def teardown(self) -> None:
        for _, snapshot, _ in self.readers:
            snapshot.catalog.close()
        shutil.rmtree(self.root)

    @initialize(text=texts)
    def begin(self, text: str) -> None:
        self.write(PATHS[0], text)
        self.index_completely("docs")

    # Files

    @rule(path=paths, text=texts)
    def write(self, path: str, text: str) -> None:
        (self.root / path).write_text(text)
        self.stamp(path)
        self.disk[path] = text

    @precondition(lambda self: self.disk)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(sorted(self.disk)))
        (self.root / path).unlink()
        del self.disk[path]

    @precondition(lambda self: self.disk)
    @rule(data=st.data(), to=paths)
    def move(self, data: st.DataObject, to: str) -> None:
        path = data.draw(st.sampled_from(sorted(self.disk)))
        (self.root / path).rename(self.root / to)
        self.disk[to] = self.disk.pop(path)

    @precondition(lambda self: self.disk)
    @rule(data=st.data(), to=paths, same_time=st.booleans())
    def copy(self, data: st.DataObject, to: str, same_time: bool) -> None:
        path = data.draw(st.sampled_from(sorted(self.disk)))
        if path != to:
            shutil.copy2(self.root / path, self.root / to)
            if not same_time:
                self.stamp(to)
            self.disk[to] = self.disk[path]

    def stamp(self, path: str) -> None:
        """Set a new modification time: edits within one tick of the file system's clock look alike."""
        self.seconds += 1
        os.utime(self.root / path, (self.seconds, self.seconds))

    # Runs

    @rule(named=st.booleans())
    def index_all(self, named: bool) -> None:
        self.index_completely("docs") if named else self.index_completely()

    @rule(data=st.data())
    def index_some(self, data: st.DataObject) -> None:
        """Bring the named paths up to date; elsewhere, only texts staged by a stopped run may be committed."""
        names = [*FOLDERS[1:], *sorted(self.disk)]
        self.index_completely(*data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=3)))

    def index_completely(self, *named: str) -> None:
        after, lost = self.walk(*named)
        self.run(*named)
        self.adopt({path: after.get(path, [self.live, *self.begun]) for path in PATHS})
        self.begun = []
        self.sources = {name: included for name, included in self.sources.items() if name not in lost}

    @rule(steps=st.integers(0, 25))
    def index_and_stop(self, steps: int) -> None:
        """Stop a run: it may bring any file up to date or leave it, and nothing else."""
        after, lost = self.walk()
        left, before = iter(range(steps)), self.live
        summary = self.run(observer=Observer(should_stop=lambda: next(left, None) is None))
        self.adopt({path: [self.live, *self.begun, *after.get(path, [])] for path in PATHS})
        self.begun.append(dict(self.disk))
        if summary.interrupted and not summary.uncompacted:
            lost = {name for name in lost if name in before and name not in self.live}
        self.sources = {name: included for name, included in self.sources.items() if name not in lost}

    def walk(self, *named: str) -> tuple[dict[str, list[State]], set[str]]:
        """Expect the result of a complete run on its paths, and the sources that leave with their files.

        As in `sources.choose_walk`. Of two sources that hold a path, the inner one decides whether it is taken.
        """
        self.sources |= dict.fromkeys(named, True)
        gone = {name for name in self.sources if name not in FOLDERS and name not in self.disk}
        walked = set(named) or self.sources.keys() - gone
        inside = {name for name in self.sources if any(holds(each, name) for each in walked)}
        lost = {name for name in gone & inside if self.sources[name]}
        if not named:
            lost |= {name for name in gone - inside if name in self.live}
        walked |= inside - gone
        after = {}
        for path in PATHS:
            around = [name for name in walked if holds(name, path)]
            included = bool(around) and self.sources[max(around, key=len)]
            if around or path in lost:
                after[path] = [self.disk if included else {}]
        return after, lost

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        """Remove a path: it is gone at once, and stays out until it, or a path inside it, is named."""
        known = {*self.live, *(name for name, included in self.sources.items() if included)}
        around = {folder for folder in FOLDERS if any(holds(folder, name) for name in known)}
        if not known:
            return
        name = data.draw(st.sampled_from(sorted(known | around)))
        done = remove_paths(self.index, [self.root / name])
        self.live = {path: text for path, text in self.live.items() if not holds(name, path)}
        self.begun = [{path: text for path, text in state.items() if not holds(name, path)} for state in self.begun]
        self.sources = {source: included for source, included in self.sources.items() if not holds(name, source)}
        outer = [source for source in self.sources if holds(source, name)]
        if outer and self.sources[max(outer, key=len)]:
            self.sources[name] = False
        assert done.left_out == tuple(source for source in [name] if source in self.sources)

    def adopt(self, allowed: Mapping[str, Sequence[State]]) -> None:
        """Read each path's text from the index, check that one of the states has it, and make it the expected one."""
        after = self.answers_from()
        assert after.keys() <= allowed.keys()
        live = {}
        for path, states in allowed.items():
            texts = [state[path] for state in states if path in state and chunks(state[path]) == after.get(path)]
            assert texts or (path not in after and any(path not in state for state in states)), path
            if texts:
                live[path] = texts[0]
        self.live = live

    def run(self, *named: str, observer: Observer | None = None) -> UpdateSummary:
        options = IndexOptions(chunk_words=SIZES.words, overlap_words=SIZES.overlap)
        return make_index(self.root, self.embedder, *map(Path, named), observer=observer, options=options)

    # The index

    @rule(by_policy=st.booleans())
    def compact(self, by_policy: bool) -> None:
        if by_policy:
            with writer_lock(self.index), closing(Catalog.open_to_write(self.index)) as catalog:
                compact(catalog)
                sweep(catalog)
        else:
            compact_index(self.index)
            with open_snapshot(self.index) as snapshot:
                assert all(segment.alive.all() for segment in snapshot.segments)
                assert len(snapshot.segments) <= 1

    @rule()
    def export(self) -> None:
        pieces: list[Data] = []
        with tempfile.TemporaryDirectory() as scratch:
            summary = export_index(self.index, Path(scratch), pieces.append)
        self.archives.append((b"".join(pieces), dict(self.live)))
        assert summary.files == len(self.live)

    @precondition(lambda self: self.archives)
    @rule(data=st.data(), here=st.booleans())
    def import_(self, data: st.DataObject, here: bool) -> None:
        """Import into this index, which then equals the exported one; or into a new one, which changes nothing here."""
        archive, state = data.draw(st.sampled_from(self.archives))
        index = self.index if here else self.root / "elsewhere" / ".vsearch"
        import_index(index, "archive", io.BytesIO(archive).read, replace=True)
        if here:
            self.live, self.begun = dict(state), []
        with open_snapshot(index) as snapshot:
            assert answers_from(snapshot) == expected(state)

    @precondition(lambda self: len(self.readers) < 3)
    @rule()
    def open_reader(self) -> None:
        context = open_snapshot(self.index)
        self.readers.append((context, context.__enter__(), dict(self.live)))  # type: ignore[arg-type]

    @precondition(lambda self: self.readers)
    @rule(words=some_words)
    def close_reader(self, words: str) -> None:
        """Check that the reader still gives the hits of the generation that it was opened on."""
        context, snapshot, state = self.readers.pop(0)
        assert answers_from(snapshot) == expected(state)
        self.check_queries(snapshot, state, words)
        context.__exit__(None, None, None)  # type: ignore[attr-defined]

    # What must hold

    @invariant()
    def answers_from_the_last_commit(self) -> None:
        if self.index.exists():
            assert self.answers_from() == expected(self.live)

    @rule()
    def check(self) -> None:
        assert check_index(self.index, full=True, recall=recall_faults).faults == ()

    @rule(words=some_words)
    def query(self, words: str) -> None:
        with open_snapshot(self.index) as snapshot:
            self.check_queries(snapshot, self.live, words)

    def answers_from(self) -> dict[str, tuple[str, ...]]:
        with open_snapshot(self.index) as snapshot:
            return answers_from(snapshot)

    def check_queries(self, snapshot: Snapshot, state: State, words: str) -> None:
        searcher = LocalSearcher(snapshot)
        rows = [(path, number, text) for path, each in expected(state).items() for number, text in enumerate(each)]
        keyword = search(searcher, SearchRequest(words, k=ALL, mode="keyword"))
        assert keyword.matched == keyword.searched == len(rows)
        holding = {row for row in rows if {*re.findall(r"\w+", row[2])} & {*words.split()}}
        assert {place(hit) for hit in keyword.hits} == holding
        vector = self.embedder.embed_queries([words])[0]
        near = search(searcher, SearchRequest(words, k=ALL, mode="vector"), lambda _: EmbeddedQuery(vector))
        cosines = {row: float(self.embedder.embed_queries([row[2]])[0] @ vector) for row in rows}
        assert {place(hit) for hit in near.hits} == cosines.keys()
        np.testing.assert_allclose(
            [hit.score for hit in near.hits], [cosines[place(hit)] for hit in near.hits], atol=1e-3
        )
        assert [hit.score for hit in near.hits] == sorted((hit.score for hit in near.hits), reverse=True)


def place(hit: Hit) -> tuple[str, int, str]:
    return hit.path, hit.chunk, hit.text


def expected(state: State) -> dict[str, tuple[str, ...]]:
    return {path: chunks(text) for path, text in state.items()}


def answers_from(snapshot: Snapshot) -> dict[str, tuple[str, ...]]:
    """Return the chunks that queries can find, by path, in their order; each is in one row only."""
    chunk_ids = [chunk_id for segment in snapshot.segments for chunk_id in segment.chunk_ids[segment.alive].tolist()]
    found: dict[str, dict[int, str]] = {}
    for passage in snapshot.catalog.stored_chunks(chunk_ids):
        assert passage.ordinal not in found.setdefault(passage.path, {}), "a chunk is there twice"
        found[passage.path][passage.ordinal] = passage.chunk.text
    assert found.keys() == snapshot.catalog.files(live=True).keys()
    return {path: tuple(text for _, text in sorted(numbered.items())) for path, numbered in found.items()}


class LongOperations(Operations):
    """More and longer sequences, which take minutes."""


_QUICK = settings(max_examples=8, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
Operations.TestCase.settings = _QUICK
LongOperations.TestCase.settings = settings(_QUICK, max_examples=200, stateful_step_count=50)
TestRandomOperations = Operations.TestCase
TestManyRandomOperations = pytest.mark.slow(LongOperations.TestCase)
