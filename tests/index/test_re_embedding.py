"""Re-embedding replaces all vectors at once by another model's, from the stored texts, and never mixes models."""

import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from support import WordEmbedder, make_index

from vsearch_core.embed.base import Batch
from vsearch_core.errors import ArgumentError, IndexMismatchError, IndexNotFoundError, StorageError
from vsearch_core.evaluate.tune import store_fusion
from vsearch_core.index import commit
from vsearch_core.index.check import check_index
from vsearch_core.index.forecast import forecast_re_embedding
from vsearch_core.index.limits import DEFAULT_LIMITS, IndexLimits
from vsearch_core.index.progress import Observer
from vsearch_core.index.re_embedding import ReEmbedSummary, new_spec, re_embed_index
from vsearch_core.index.settings import IndexOptions, IndexSettings
from vsearch_core.index.snapshot import Snapshot, open_snapshot
from vsearch_core.model import EmbedderSpec, Fingerprint
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import query_embedding, search
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.tuned import TunedFusion, load_tuned_fusion
from vsearch_core.store.vectors import unfinished_re_embeddings

DOCS = Path("docs")
SMALL = IndexOptions(chunk_words=20, overlap_words=0)
OTHER = IndexOptions(model="other")
WORDS = [f"word{number}" for number in range(40)]


def other_embedder() -> WordEmbedder:
    return WordEmbedder("other", 32)


def write(root: Path, names: str, seed: int) -> None:
    chance = random.Random(seed)
    (root / "docs").mkdir(exist_ok=True)
    for name in names:
        texts = (" ".join(chance.choices(WORDS, k=18)) for _ in range(3))
        (root / f"docs/{name}.txt").write_text("\n\n".join([*texts, "The same text " * 5 + "everywhere."]))


@pytest.fixture
def root(tmp_path: Path, embedder: WordEmbedder) -> Path:
    """Return a project whose index has several segments with deleted rows."""
    write(tmp_path, "abcdef", 1)
    make_index(tmp_path, embedder, DOCS, options=SMALL)
    write(tmp_path, "bg", 2)
    make_index(tmp_path, embedder)
    return tmp_path


def re_embed(
    root: Path,
    by: WordEmbedder,
    *,
    batches: int | None = None,
    options: IndexOptions = OTHER,
    limits: IndexLimits = DEFAULT_LIMITS,
) -> ReEmbedSummary:
    """Re-embed the index, and stop after `batches` batches."""
    before = len(by.embedded)

    def stop() -> bool:
        return batches is not None and len(by.embedded) - before >= batches * by.batch

    return re_embed_index(root / ".vsearch", options, lambda _: by, Observer(should_stop=stop), limits)


def vector_hits(snapshot: Snapshot, by: WordEmbedder) -> list[tuple[str, int, float]]:
    question = SearchRequest("word1 word2 word3", 1000, "vector")
    found = search(LocalSearcher(snapshot), question, query_embedding(by))
    return [(hit.path, hit.chunk, round(hit.score, 3)) for hit in found.hits]


def answers(root: Path, by: WordEmbedder) -> list[tuple[str, int, float]]:
    with open_snapshot(root / ".vsearch") as snapshot:
        assert snapshot.settings.fingerprint == by.fingerprint
        return vector_hits(snapshot, by)


def fresh_answers(root: Path, by: WordEmbedder, elsewhere: Path) -> list[tuple[str, int, float]]:
    """Return the hits of a new index that is made by that model."""
    shutil.copytree(root / "docs", elsewhere / "docs")
    make_index(elsewhere, by, DOCS, options=SMALL)
    return answers(elsewhere, by)


def test_a_re_embedded_index_equals_one_made_by_the_new_model(root: Path, tmp_path: Path) -> None:
    with open_snapshot(root / ".vsearch") as snapshot:
        before, former = vector_hits(snapshot, WordEmbedder()), snapshot.generation
        by = other_embedder()
        done = re_embed(root, by)
        assert vector_hits(snapshot, WordEmbedder()) == before, "a reader's generation has changed"
    assert (done.former, done.model, done.chunks, done.embedded) == ("words", "other", 28, len(set(by.embedded)))
    assert (done.kept, done.interrupted, done.generation) == (0, False, former + 1)
    assert sorted(answers(root, other_embedder())) == sorted(fresh_answers(root, other_embedder(), tmp_path / "fresh"))
    assert check_index(root / ".vsearch", full=True).faults == ()
    assert unfinished_re_embeddings(root / ".vsearch") == []
    assert len(list((root / ".vsearch/segments").iterdir())) == 1


def test_queries_see_the_old_generation_until_the_end(root: Path) -> None:
    before = answers(root, WordEmbedder())

    class SearchingEmbedder(WordEmbedder):
        def embed_documents(self, texts):  # type: ignore[no-untyped-def]
            for batch in super().embed_documents(texts):
                assert answers(root, WordEmbedder()) == before
                yield batch

    assert not re_embed(root, SearchingEmbedder("other", 32)).interrupted
    assert answers(root, other_embedder()) != before


def test_a_stopped_re_embedding_continues(root: Path) -> None:
    limits = IndexLimits(chunks_per_re_embedding_block=10)
    before = answers(root, WordEmbedder())
    by = WordEmbedder("other", 32, batch=3)
    for _ in range(2):
        stopped = re_embed(root, by, batches=1, limits=limits)
        assert stopped.interrupted
        assert answers(root, WordEmbedder()) == before
    done = re_embed(root, by, limits=limits)
    assert not done.interrupted
    assert done.kept > 0
    assert len(by.embedded) == len(set(by.embedded)), "a text was embedded twice"


def test_a_stop_while_waiting_for_a_provider(root: Path) -> None:
    """The embedder then yields no more batches, though texts are left."""
    stopping = False

    class WaitingEmbedder(WordEmbedder):
        def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
            nonlocal stopping
            yield next(super().embed_documents(texts))
            stopping = True

    before = answers(root, WordEmbedder())
    by = WaitingEmbedder("other", 32, batch=3)
    stopped = re_embed_index(root / ".vsearch", OTHER, lambda _: by, Observer(should_stop=lambda: stopping))
    assert stopped.interrupted
    assert answers(root, WordEmbedder()) == before
    assert re_embed(root, other_embedder()).kept == 3


def test_changes_between_two_runs_are_included(root: Path, embedder: WordEmbedder, tmp_path: Path) -> None:
    by = other_embedder()
    re_embed(root, by, batches=1)
    write(root, "ah", 3)
    (root / "docs/c.txt").unlink()
    (root / "docs/d.txt").rename(root / "docs/z.txt")
    make_index(root, embedder)
    re_embed(root, by)
    assert len(by.embedded) == len(set(by.embedded))
    assert sorted(answers(root, other_embedder())) == sorted(fresh_answers(root, other_embedder(), tmp_path / "fresh"))


def test_models_do_not_mix(root: Path, tmp_path: Path) -> None:
    """Even models of the same name and size: their weights differ."""
    first = other_embedder()
    re_embed(root, first, batches=1)
    second = other_embedder()
    second.fingerprint = Fingerprint("local", "other", "newer weights", 32, "sum+l2")
    done = re_embed(root, second)
    assert (done.kept, done.interrupted) == (0, False)
    assert unfinished_re_embeddings(root / ".vsearch") == []


def test_staged_vectors_of_the_old_model_are_not_used(root: Path, embedder: WordEmbedder, tmp_path: Path) -> None:
    write(root, "xyz", 4)
    make_index(root, embedder, observer=Observer(should_stop=lambda: len(embedder.embedded) % 8 == 0))
    re_embed(root, other_embedder())
    make_index(root, other_embedder())
    assert sorted(answers(root, other_embedder())) == sorted(fresh_answers(root, other_embedder(), tmp_path / "fresh"))
    assert check_index(root / ".vsearch", full=True).faults == ()


def test_a_large_index_gets_its_graph(root: Path) -> None:
    re_embed(root, other_embedder(), limits=IndexLimits(graph_rows=20))
    with open_snapshot(root / ".vsearch") as snapshot:
        assert [segment.graph is not None for segment in snapshot.segments] == [True]


@pytest.mark.parametrize("damage", ["cut", "scribbled", "foreign", "text", "link"])
def test_a_damaged_unfinished_re_embedding_starts_over(root: Path, tmp_path: Path, damage: str) -> None:
    by = other_embedder()
    re_embed(root, by, batches=2)
    (path,) = unfinished_re_embeddings(root / ".vsearch")
    precious = tmp_path / "precious.sqlite"
    precious.write_text("precious")
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    elif damage == "scribbled":
        path.write_bytes(b"SQLite format 3\0" + b"?" * 9000)
    elif damage == "foreign":
        shutil.copy(root / ".vsearch/catalog.sqlite", path)
    elif damage == "text":
        path.write_text("text")
    else:
        path.unlink()
        path.symlink_to(precious)
    done = re_embed(root, by)
    assert (done.kept, done.interrupted) == (0, False)
    assert precious.read_text() == "precious"
    assert check_index(root / ".vsearch", full=True).faults == ()


def test_a_damaged_row_is_embedded_again(root: Path) -> None:
    by = other_embedder()
    before = re_embed(root, by, batches=1).embedded
    (path,) = unfinished_re_embeddings(root / ".vsearch")
    vector = (np.round(by.embed_queries(by.embedded[:1])[0] * 32767)).astype(np.int16).tobytes()
    data = path.read_bytes()
    assert vector in data
    path.write_bytes(data.replace(vector, vector[::-1]))
    done = re_embed(root, by)
    assert done.embedded == 1 + len(set(by.embedded)) - before
    assert check_index(root / ".vsearch", full=True).faults == ()


def test_an_empty_index_can_be_re_embedded(root: Path, embedder: WordEmbedder) -> None:
    for path in (root / "docs").iterdir():
        path.unlink()
    make_index(root, embedder)
    assert re_embed(root, other_embedder()).chunks == 0
    write(root, "a", 1)
    make_index(root, other_embedder())
    assert len(answers(root, other_embedder())) == 4


def test_the_same_model_has_nothing_to_do(root: Path, embedder: WordEmbedder) -> None:
    with open_snapshot(root / ".vsearch") as snapshot:
        planned = forecast_re_embedding(root / ".vsearch", IndexOptions(), lambda _: embedder)
        done = re_embed(root, embedder, options=IndexOptions())
        assert (planned.embed, done.embedded, done.generation) == (0, 0, snapshot.generation)
        newer = forecast_re_embedding(root / ".vsearch", IndexOptions(), lambda _: other_embedder())
        assert newer.embed > 0, "the same name, other weights"


def test_a_fusion_tuned_on_the_old_vectors_is_dropped(root: Path) -> None:
    store_fusion(root / ".vsearch", TunedFusion("convex", 0.25, 20, 0.9, 0.8))
    assert re_embed(root, other_embedder()).untuned
    with open_snapshot(root / ".vsearch") as snapshot:
        assert load_tuned_fusion(snapshot.catalog) is None
    assert check_index(root / ".vsearch", full=True).faults == ()


def test_options_that_need_the_documents_are_refused(root: Path) -> None:
    for change in (IndexOptions(chunk_words=30), IndexOptions(overlap_words=5), IndexOptions(language="de")):
        with pytest.raises(IndexMismatchError, match="made with "):
            re_embed(root, other_embedder(), options=change)
    with pytest.raises(ArgumentError, match=r"dimension: .*, not 5"):
        re_embed(root, other_embedder(), options=IndexOptions(model="other", dimension=5))
    with pytest.raises(IndexNotFoundError):
        re_embed(root / "nowhere", other_embedder())


def test_a_disk_that_is_too_small_is_reported_before_embedding(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "disk_usage", lambda _: type("Usage", (), {"free": 4000}))
    by = other_embedder()
    with pytest.raises(StorageError, match="not enough free space for the new vectors"):
        re_embed(root, by)
    assert by.embedded == []


def test_the_plan_counts_all_texts_once(root: Path) -> None:
    planned = forecast_re_embedding(root / ".vsearch", OTHER, lambda _: other_embedder())
    done = re_embed(root, other_embedder())
    assert (planned.chunks, planned.embed, planned.unchanged) == (done.chunks, done.embedded, 7)


@pytest.mark.parametrize(
    ("change", "spec"),
    [
        (IndexOptions(), EmbedderSpec("openai", "small", 256, "http://host")),
        (IndexOptions(model="large"), EmbedderSpec("openai", "large", None, "http://host")),
        (IndexOptions(dimension=64), EmbedderSpec("openai", "small", 64, "http://host")),
        (IndexOptions(base_url="http://new"), EmbedderSpec("openai", "small", 256, "http://new")),
        (IndexOptions(embedder="gemini"), EmbedderSpec("gemini")),
        (IndexOptions(embedder="openai", model="small"), EmbedderSpec("openai", "small", 256, "http://host")),
    ],
)
def test_unset_options_keep_the_indexs_values(change: IndexOptions, spec: EmbedderSpec) -> None:
    made_by = Fingerprint("openai", "small", "", 256, "")
    assert new_spec(IndexSettings(made_by, "small", 500, 50, "en", "http://host"), change) == spec
