"""Late windows: an index keeps each chunk's through every change, and hits are found and explained by them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support import WordEmbedder, make_index

from vsearch_core.ann.windows import best_windows, combined_cosines, window_cosines
from vsearch_core.embed.base import Batch
from vsearch_core.embed.late_windows import code_type, encode_windows, plan_windows
from vsearch_core.embed.windows import spans
from vsearch_core.errors import IndexCorruptError
from vsearch_core.index.check import check_index
from vsearch_core.index.compaction import compact_index
from vsearch_core.index.parts import WINDOW_CODES, WINDOW_STOPS, WINDOWS
from vsearch_core.index.re_embedding import re_embed_index
from vsearch_core.index.repair import repair_index
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.sharing import sharing
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.index.transfer import export_index, import_index
from vsearch_core.model import EmbedderSpec
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import query_embedding, search
from vsearch_core.search.recall import recall_faults
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.results import Results
from vsearch_core.search.vectors import VectorRoute
from vsearch_core.store.segment import SEGMENTS_DIR

FILLER = "the gate and the road and the river and the hill and the tree "
NEEDLE = "zebras gallop over frozen lakes"
LONG = FILLER * 8 + NEEDLE + " " + FILLER * 8
WORDS_PER_WINDOW = 10


class WindowEmbedder(WordEmbedder):
    """A WordEmbedder with late windows of ten words."""

    def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        for batch in super().embed_documents(texts):
            codes = [self.codes(texts[index]) for index in batch.indices.tolist()]
            yield Batch(batch.indices, batch.vectors, codes)

    def codes(self, text: str) -> bytes:
        """Return the codes of a text's windows; none for a text of one window."""
        ends = [at for at, char in enumerate(text) if char == " "][WORDS_PER_WINDOW - 1 :: WORDS_PER_WINDOW]
        stops = [*ends, len(text)]
        if len(stops) < 2:
            return b""
        pieces = [text[start:stop] for start, stop in zip([0, *ends], stops, strict=True)]
        return encode_windows(self.embed_queries([text])[0], self.embed_queries(pieces), np.array(stops))


def windows_are_right(index: Path, *, may_lack: bool = False) -> bool:
    """Return True if each live row has its text's windows; with `may_lack`, some rows may have none instead."""
    embedder = WindowEmbedder()
    with open_snapshot(index) as snapshot:
        for segment in snapshot.segments:
            for row in np.flatnonzero(segment.alive).tolist():
                (stored,) = snapshot.catalog.stored_chunks([int(segment.chunk_ids[row])])
                found = segment.window_codes(row)
                if found != embedder.codes(stored.chunk.text) and not (may_lack and found == b""):
                    return False
        return bool(snapshot.segments)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """An index of two segments, one with a text that has no windows."""
    for name, text in (("long.txt", LONG), ("other.txt", FILLER * 9), ("short.txt", "zebras")):
        (tmp_path / name).write_text(text)
    make_index(tmp_path, WindowEmbedder(), Path("long.txt"), Path("short.txt"))
    make_index(tmp_path, WindowEmbedder(), Path("other.txt"))
    return tmp_path / ".vsearch"


def answer(index: Path, text: str, mode: str = "vector") -> Results:
    with open_snapshot(index) as snapshot:
        request = SearchRequest(text, mode=mode)
        return search(LocalSearcher(snapshot), request, query_embedding(WordEmbedder()))


def test_a_hit_names_the_window_that_is_nearest_to_the_query(index: Path) -> None:
    hits = {hit.path: hit for hit in answer(index, NEEDLE).hits}
    window = hits["long.txt"].window
    assert window is not None
    assert set(NEEDLE.split()) & set(LONG[window.start_char : window.end_char].split())
    assert window.end_char - window.start_char < 100
    assert hits["short.txt"].window is None
    assert all(hit.window is None for hit in answer(index, NEEDLE, "keyword").hits)


def test_a_window_lifts_the_score_of_a_long_chunk(index: Path) -> None:
    vector = WordEmbedder().embed_queries([NEEDLE])[0]
    own = float(WordEmbedder().embed_queries([LONG])[0] @ vector)
    scores = {hit.path: hit.score for hit in answer(index, NEEDLE).hits}
    assert scores["long.txt"] > own + 0.1
    assert scores["short.txt"] == pytest.approx(float(WordEmbedder().embed_queries(["zebras"])[0] @ vector), abs=1e-3)


def test_windows_survive_every_change(index: Path, tmp_path: Path) -> None:
    assert windows_are_right(index)
    (tmp_path / "other.txt").rename(tmp_path / "moved.txt")  # its vector and windows are reused
    (tmp_path / "third.txt").write_text(NEEDLE + " " + FILLER * 3)
    embedder = WindowEmbedder()
    make_index(tmp_path, embedder, Path("moved.txt"), Path("third.txt"))
    assert len(embedder.embedded) == 1
    assert windows_are_right(index)
    (tmp_path / "short.txt").unlink()
    make_index(tmp_path, embedder)
    compact_index(index)
    assert windows_are_right(index)
    assert not check_index(index, full=True, recall=recall_faults).faults
    with open_snapshot(index) as snapshot:
        assert all(segment.has_windows for segment in snapshot.segments)


def test_windows_survive_an_archive(index: Path, tmp_path: Path) -> None:
    pieces: list[bytes] = []
    (tmp_path / "scratch").mkdir()
    export_index(index, tmp_path / "scratch", lambda data: pieces.append(bytes(data)))
    (tmp_path / "copy").mkdir()
    import_index(tmp_path / "copy" / ".vsearch", "archive", BytesIO(b"".join(pieces)).read)
    assert windows_are_right(tmp_path / "copy" / ".vsearch")


@pytest.mark.parametrize("name", [WINDOW_CODES, WINDOW_STOPS, "vectors", "postings_rows"])
def test_a_repair_keeps_the_windows_that_are_intact(index: Path, name: str) -> None:
    for path in (index / SEGMENTS_DIR).glob(f"*/{name}.npy"):
        data = bytearray(path.read_bytes())
        data[-1] ^= 255
        path.write_bytes(data)
    assert check_index(index, full=True).faults
    repair_index(index, lambda _spec: WindowEmbedder())
    assert not check_index(index, full=True).faults
    assert windows_are_right(index, may_lack=name in {WINDOW_CODES, WINDOW_STOPS})


def test_damaged_windows_are_refused_when_they_are_read(index: Path) -> None:
    for path in (index / SEGMENTS_DIR).glob(f"*/{WINDOW_CODES}.npy"):
        data = bytearray(path.read_bytes())
        data[-1] ^= 255
        path.write_bytes(data)
    with pytest.raises(IndexCorruptError, match="late windows are damaged"):
        answer(index, NEEDLE)


@pytest.mark.parametrize(
    ("stops", "codes"),
    [([1, 0], 1), ([0, 2], 1), ([1, 1], 2)],
    ids=["not ascending", "too few codes", "too many codes"],
)
def test_a_check_finds_contradictory_windows(stops: list[int], codes: int) -> None:
    width = code_type(48).itemsize
    arrays = {WINDOW_STOPS: np.array(stops), WINDOW_CODES: np.zeros((codes, width), np.uint8)}
    assert list(WINDOWS.faults(arrays, {"text": 48}))
    infinite = np.zeros(1, code_type(48))
    infinite["scale"] = np.inf
    arrays = {WINDOW_STOPS: np.array([1]), WINDOW_CODES: infinite.view(np.uint8).reshape(1, width)}
    assert [reason for _, reason in WINDOWS.faults(arrays, {"text": 48})] == [
        "its late windows have scales that are not finite"
    ]


def test_an_index_without_windows_answers_by_chunks_until_it_is_embedded_again(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text(LONG)
    make_index(tmp_path, WordEmbedder(), Path("long.txt"))
    index = tmp_path / ".vsearch"
    before = answer(index, NEEDLE).hits
    (tmp_path / "new.txt").write_text(FILLER * 9)
    make_index(tmp_path, WindowEmbedder(), Path("new.txt"))  # a later version adds a file
    mixed = answer(index, NEEDLE).hits
    assert [hit.score for hit in mixed if hit.path == "long.txt"] == [hit.score for hit in before]
    assert all(hit.window is None for hit in mixed)
    done = re_embed_index(index, IndexOptions(), lambda _spec: WindowEmbedder())
    assert done.embedded == 2
    assert windows_are_right(index)
    assert re_embed_index(index, IndexOptions(), lambda _spec: WindowEmbedder()).embedded == 0
    assert re_embed_index(index, IndexOptions(), lambda _spec: WordEmbedder()).embedded == 0


def test_projects_share_windows(tmp_path: Path) -> None:
    spec, embedders = EmbedderSpec("local", "words"), (WindowEmbedder(), WindowEmbedder())
    for project, embedder in zip(("one", "two"), embedders, strict=True):
        (tmp_path / project).mkdir()
        (tmp_path / project / "a.txt").write_text(LONG)
        make_index(tmp_path / project, sharing(lambda _, own=embedder: own, tmp_path)(spec), Path("a.txt"))  # type: ignore[misc]
        assert windows_are_right(tmp_path / project / ".vsearch")
    assert [len(each.embedded) for each in embedders] == [1, 0]


@pytest.mark.parametrize(
    "stops",
    [np.array([1 << 60, 1 << 60]), np.array([5, 1]), np.array([-3, 2]), np.array([1.0, 2.0])],
    ids=["too many", "not ascending", "negative", "not whole numbers"],
)
def test_windows_out_of_range_are_refused(index: Path, stops: NDArray[np.int64]) -> None:
    """A foreign index may hold them, with checksums that are right."""
    vector = WordEmbedder().embed_queries([NEEDLE])[0]
    with open_snapshot(index) as snapshot:
        first = snapshot.segments[0]
        assert len(first.chunk_ids) == 2
        route = VectorRoute([replace(first, arrays={**first.arrays, WINDOW_STOPS: stops})])
        with pytest.raises(ValueError, match="late windows are out of range"):
            route.windows(vector, np.array([0, 1]), np.zeros(2, np.float32))


def test_a_scale_that_is_not_finite_is_refused() -> None:
    codes = np.zeros(1, code_type(48))
    codes["scale"] = np.inf
    with pytest.raises(ValueError, match="not finite"), np.errstate(invalid="ignore"):
        window_cosines(codes.view(np.uint8).reshape(1, -1), unit(1, 48, 0)[0], np.zeros(1, np.float32))


def unit(count: int, dimension: int, seed: int) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


@pytest.mark.parametrize("dimension", [384, 100])
def test_codes_estimate_the_cosines_of_windows(dimension: int) -> None:
    (chunk, query), noise = unit(2, dimension, 1), unit(200, dimension, 2)
    windows = chunk + 0.6 * noise
    windows /= np.linalg.norm(windows, axis=1, keepdims=True)
    codes = np.frombuffer(encode_windows(chunk, windows, np.arange(200)), np.uint8).reshape(200, -1)
    estimates = window_cosines(codes, query, np.full(200, chunk @ query, np.float32))
    errors = estimates - windows @ query
    assert abs(errors.mean()) < 0.01
    assert errors.std() < 0.6 / np.sqrt(dimension)


def test_the_best_window_of_each_chunk() -> None:
    counts = np.array([2, 0, 3])
    assert best_windows(np.array([0.1, 0.4, 0.9, 0.2, 0.3], np.float32), counts).tolist() == [1, 0, 0]
    assert best_windows(np.empty(0, np.float32), np.zeros(2, np.int64)).tolist() == [0, 0]
    cosines, best = np.array([0.2, 0.2], np.float32), np.array([0.2, 0.8], np.float32)
    assert combined_cosines(cosines, best, np.array([0, 6])).tolist() == pytest.approx([0.2, 0.65])


@pytest.mark.parametrize("tokens", [143, 144, 500, 1000])
def test_windows_cover_all_tokens_once(tokens: int) -> None:
    parts = spans(tokens, 254, 32)
    plan = plan_windows(parts, 1, np.arange(1, tokens + 1) * 5)
    if tokens < 144:
        assert plan is None
        return
    assert plan is not None
    seen = np.zeros(tokens, np.int64)
    values = np.arange(tokens, dtype=np.float32)[:, None]
    totals = np.zeros(len(plan.stops))
    for run, (start, end) in zip(plan.runs, parts, strict=True):
        seen[start + run.starts[0] - 1 : start + run.stop - 1] += 1
        padded = np.concatenate([[[1e6]], values[start:end], [[1e6]]]).astype(np.float32)
        np.add.at(totals, run.windows, run.sums(padded)[:, 0])
    assert (seen == 1).all()
    assert totals.sum() == values.sum()
    assert plan.stops[-1] == 5 * tokens
    assert (np.diff(plan.stops, prepend=0) >= 64 * 5).all()
