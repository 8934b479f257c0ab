"""A quick update makes interim vectors of all chunks at once, and replaces them by one transaction."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from support import WordEmbedder, make_index, use_interim_vectors

from vsearch_core.embed.base import Batch, OpenEmbedder
from vsearch_core.embed.model_files import DISTILLED
from vsearch_core.errors import ArgumentError, IndexCorruptError, IndexMismatchError, InputError, ModelError
from vsearch_core.index.check import check_index
from vsearch_core.index.choices import settings_of
from vsearch_core.index.copying import LocalCopySource
from vsearch_core.index.forecast import forecast
from vsearch_core.index.limits import DEFAULT_LIMITS, IndexLimits
from vsearch_core.index.progress import Observer
from vsearch_core.index.re_embedding import re_embed_index
from vsearch_core.index.repair import repair_index
from vsearch_core.index.rereading import reread_files
from vsearch_core.index.settings import COMING, IndexOptions, IndexSettings
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.index.sources import Source
from vsearch_core.index.status import read_status
from vsearch_core.index.transfer import export_index, import_index
from vsearch_core.index.writer import UpdateSummary, update_index
from vsearch_core.model import EmbedderSpec, InterimModels
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import query_embedding, search
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.results import Results
from vsearch_core.search.results_json import results_json
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.tables import SUFFIXES
from vsearch_core.store.vectors import unfinished_re_embeddings
from vsearch_core.text.discover import DiscoverOptions

DOCS = Path("docs")
NAMES = [f"docs/{letter}.txt" for letter in "abcdefgh"]
OPTIONS = IndexOptions(chunk_words=20, overlap_words=0)
LIMITS = IndexLimits(
    chunks_per_block=2, chunks_per_commit=4, files_per_transaction=1, chunks_per_re_embedding_block=2, coded_rows=4
)
STATIC = f"{DISTILLED}words"


class Opener:
    """Opens the local model "words" and the static one that is distilled from it, and keeps them, by their names."""

    def __init__(self, local: WordEmbedder | None = None) -> None:
        self.local = local or WordEmbedder(batch=1)
        self.static = WordEmbedder(STATIC, batch=2)

    def __call__(self, spec: EmbedderSpec) -> WordEmbedder:
        assert spec.provider in {"local", "static"}
        return self.static if spec.provider == "static" else self.local


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a project of eight files with two chunks each, and no index."""
    (tmp_path / "docs").mkdir()
    for name in NAMES:
        write(tmp_path, name)
    return tmp_path


def write(root: Path, name: str, word: str = "") -> None:
    word = word or f"word{Path(name).stem}"
    paragraphs = (f"The pump {word} number{each} " + f"filler{each} " * 12 + "end." for each in range(2))
    (root / name).write_text("\n\n".join(paragraphs), encoding="utf-8")


def update(
    root: Path,
    opener: OpenEmbedder,
    *,
    options: IndexOptions = OPTIONS,
    limits: IndexLimits = DEFAULT_LIMITS,
    observer: Observer | None = None,
    quick: bool = False,
) -> UpdateSummary:
    sources = [Source(root / DOCS, DiscoverOptions())]
    index = root / ".vsearch"
    return update_index(index, sources, options, opener, observer or Observer(), limits=limits, quick=quick)


def run(
    root: Path, opener: Opener, *, quick: bool = False, stop_after: int | None = None, options: IndexOptions = OPTIONS
) -> UpdateSummary:
    """Update the index; stop once the local model has embedded that many texts."""
    stop = (lambda: False) if stop_after is None else (lambda: len(opener.local.embedded) >= stop_after)
    observer = Observer(should_stop=stop)
    return update(root, opener, options=options, limits=LIMITS, observer=observer, quick=quick)


def answer(root: Path, opener: Opener, mode: str = "hybrid", text: str = "pump wordc") -> Results:
    """Search with the model that the index names, and check the index."""
    assert check_index(root / ".vsearch", full=True).faults == ()
    with open_snapshot(root / ".vsearch") as snapshot:
        embed = query_embedding(opener(snapshot.settings.spec))
        return search(LocalSearcher(snapshot), SearchRequest(text, 50, mode), embed)


def settings(root: Path) -> IndexSettings:
    with closing(Catalog.open_to_read(root / ".vsearch")) as catalog:
        return IndexSettings.from_catalog(catalog)


def check_complete(root: Path, opener: Opener) -> None:
    """Check that the index is the same as one that was made without interim vectors."""
    assert (settings(root).coming, settings(root).fingerprint) == (None, opener.local.fingerprint)
    assert unfinished_re_embeddings(root / ".vsearch") == []
    plain = root / "plain"
    shutil.copytree(root / "docs", plain / "docs")
    make_index(plain, WordEmbedder(), DOCS, options=OPTIONS)
    for mode in ("vector", "hybrid", "keyword"):
        ours, theirs = answer(root, opener, mode), answer(plain, Opener(), mode)
        expected = {(hit.path, hit.chunk): pytest.approx(hit.score) for hit in theirs.hits}
        assert {(hit.path, hit.chunk): hit.score for hit in ours.hits} == expected
        assert ours.interim is None
    shutil.rmtree(plain)


def test_queries_use_one_model_before_and_after(root: Path) -> None:
    ready: list[tuple[str, str, int]] = []
    answers: list[Results] = []

    class Asking(WordEmbedder):
        def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
            answers.append(answer(root, opener))
            yield from super().embed_documents(texts)

    opener = Opener(Asking(batch=1))
    observer = Observer(interim_ready=lambda *facts: ready.append(facts))
    done = update(root, opener, options=OPTIONS, limits=LIMITS, observer=observer, quick=True)
    assert ready == [(STATIC, "words", 16)]
    assert {each.interim for each in answers} == {InterimModels(STATIC, "words")}
    assert {each.coverage for each in answers} == {1.0}
    assert {each.fusion.alpha for each in answers if each.fusion} == {0.5}
    assert all(len(each.hits) == 16 and each.hits[0].path == "docs/c.txt" for each in answers)
    assert results_json(answers[0])["interim"] == {"model": STATIC, "coming": "words"}
    assert done.interim is not None
    assert (done.interim.replaced, done.interim.embedded, done.interim.pending) == (True, 16, 0)
    assert (len(opener.static.embedded), len(opener.local.embedded)) == (16, 16)
    check_complete(root, opener)


@pytest.mark.parametrize("stop_after", [1, 7, 15])
def test_the_next_run_continues_with_or_without_the_option(root: Path, stop_after: int) -> None:
    opener = Opener()
    stopped = run(root, opener, quick=True, stop_after=stop_after)
    assert (stopped.interrupted, stopped.pending) == (True, 0)
    assert stopped.interim is not None
    assert (stopped.interim.replaced, stopped.interim.embedded) == (False, stop_after)
    with open_snapshot(root / ".vsearch") as snapshot:
        status = read_status(snapshot)
    assert (status.fingerprint.model, status.coming, status.coming_texts) == (
        STATIC,
        opener.local.fingerprint,
        stop_after,
    )
    assert answer(root, opener).interim == InterimModels(STATIC, "words")
    done = run(root, opener, quick=stop_after == 7)
    assert done.interim is not None
    assert (done.interim.kept, done.interim.embedded, done.embedded) == (stop_after, 16 - stop_after, 0)
    check_complete(root, opener)
    assert run(root, opener).interim is None


def test_files_may_change_meanwhile(root: Path) -> None:
    opener = Opener()
    run(root, opener, quick=True, stop_after=5)
    write(root, "docs/a.txt", "changed")
    write(root, "docs/new.txt")
    (root / "docs/b.txt").unlink()
    (root / "docs/c.txt").rename(root / "docs/moved.txt")
    run(root, opener, stop_after=6)
    found = {hit.path for hit in answer(root, opener, text="pump").hits}
    assert found == {"docs/a.txt", "docs/new.txt", "docs/moved.txt", *NAMES[3:]}
    assert settings(root).coming is not None
    run(root, opener)
    check_complete(root, opener)


def test_fresh_queries_embed_with_the_interim_model(root: Path) -> None:
    opener = Opener()
    run(root, opener, quick=True, stop_after=3)
    write(root, "docs/a.txt", "freshly")
    index = root / ".vsearch"
    assert reread_files(index, ["docs/a.txt"], lambda of: opener(of.spec), Observer(), 60.0) == {}
    assert answer(root, opener, text="freshly").hits[0].path == "docs/a.txt"
    assert len(opener.local.embedded) == 3


def test_a_failing_model_leaves_the_interim_vectors(root: Path) -> None:
    class Failing(WordEmbedder):
        def embed_documents(self, _texts: Sequence[str]) -> Iterator[Batch]:
            raise ModelError("model words", "fails")

    with pytest.raises(ModelError):
        run(root, Opener(Failing()), quick=True)
    assert len(answer(root, Opener()).hits) == 16
    assert not run(root, Opener()).interrupted
    check_complete(root, Opener())


def test_an_index_with_keywords_only_gets_interim_vectors(root: Path) -> None:
    opener, stop = Opener(), [False]

    class Stopping(WordEmbedder):
        def embed_documents(self, _texts: Sequence[str]) -> Iterator[Batch]:
            stop[0] = True
            yield from ()

    observer = Observer(should_stop=lambda: stop[0])
    update(root, Opener(Stopping()), options=OPTIONS, limits=LIMITS, observer=observer)
    assert answer(root, opener).coverage == 0
    run(root, opener, quick=True, stop_after=1)
    interim = answer(root, opener)
    assert (interim.coverage, interim.interim) == (1, InterimModels(STATIC, "words"))
    run(root, opener)
    check_complete(root, opener)


def test_an_index_with_vectors_keeps_them(root: Path) -> None:
    opener, told = Opener(), list[str]()
    update(root, opener, options=OPTIONS)
    write(root, "docs/new.txt")
    observer = Observer(not_quick=told.append)
    done = update(root, opener, options=OPTIONS, observer=observer, quick=True)
    assert (told, done.interim, opener.static.embedded) == (["words"], None, [])
    check_complete(root, opener)


def test_only_local_embedders_can_be_quick(root: Path) -> None:
    class Remote(WordEmbedder):
        def __init__(self) -> None:
            super().__init__()
            self.fingerprint = replace(self.fingerprint, provider="gemini")

    def opener(_spec: EmbedderSpec) -> WordEmbedder:
        return Remote()

    with pytest.raises(ArgumentError, match="needs the embedder local, and this index has the embedder gemini"):
        update(root, opener, options=OPTIONS, quick=True)
    assert not (root / ".vsearch/catalog.sqlite").exists()
    update(root, opener, options=OPTIONS)
    with pytest.raises(ArgumentError, match="needs the embedder local"):
        update(root, opener, options=OPTIONS, quick=True)


def test_options_describe_the_coming_model(root: Path) -> None:
    opener = Opener()
    run(root, opener, quick=True, stop_after=2)
    with pytest.raises(IndexMismatchError, match="made with embedder local, not static"):
        run(root, opener, options=replace(OPTIONS, embedder="static"))
    with pytest.raises(IndexMismatchError, match="were made by words"):
        run(root, Opener(WordEmbedder("other")), options=replace(OPTIONS, model="other"))
    with pytest.raises(IndexMismatchError, match="were made by words"):
        run(root, Opener(WordEmbedder("other")))
    assert run(root, opener, options=replace(OPTIONS, embedder="local", model="words")).interim is not None
    check_complete(root, opener)


def test_a_re_embedding_replaces_interim_vectors(root: Path) -> None:
    opener = Opener()
    run(root, opener, quick=True, stop_after=4)
    done = re_embed_index(root / ".vsearch", IndexOptions(), opener)
    assert (done.former, done.model, done.kept, done.embedded) == (STATIC, "words", 4, 12)
    check_complete(root, opener)


def test_a_plan_counts_all_chunks_that_the_coming_model_embeds(root: Path) -> None:
    opener, sources = Opener(), [Source(root / DOCS, DiscoverOptions())]
    planned = forecast(root / ".vsearch", sources, replace(OPTIONS, model="words"), opener, quick=True)
    assert (planned.interim, planned.embed, planned.provider) == (STATIC, 16, "local")
    assert forecast(root / ".vsearch", sources, OPTIONS, opener).interim is None
    run(root, opener, quick=True, stop_after=4)
    write(root, "docs/a.txt", "changed")
    write(root, "docs/new.txt")
    (root / "docs/b.txt").unlink()
    planned = forecast(root / ".vsearch", [], OPTIONS, opener)
    assert (planned.interim, planned.embed, planned.provider, planned.model) == (STATIC, 16, "local", "words")


def test_codes_instead_of_vectors(root: Path) -> None:
    opener, options = Opener(), replace(OPTIONS, vectors="none")
    run(root, opener, quick=True, stop_after=4, options=options)
    with open_snapshot(root / ".vsearch") as snapshot:
        assert read_status(snapshot).coded_rows == 16
    assert len(answer(root, opener).hits) == 16
    run(root, opener)
    with open_snapshot(root / ".vsearch") as snapshot:
        status = read_status(snapshot)
    assert (status.coded_rows, status.coming, status.fingerprint) == (16, None, opener.local.fingerprint)


def test_an_archive_has_the_coming_model(root: Path) -> None:
    opener = Opener()
    run(root, opener, quick=True, stop_after=4)
    copy = root / "copy" / ".vsearch"
    (root / "scratch").mkdir()
    with (root / "it.tar").open("wb") as file:
        export_index(root / ".vsearch", root / "scratch", lambda data: file.write(data) and None)
    copy.parent.mkdir()
    with (root / "it.tar").open("rb") as file:
        import_index(copy, "archive", file.read)
    assert settings(copy.parent).coming == settings(root).coming
    with open_snapshot(root / ".vsearch") as snapshot, pytest.raises(InputError, match="only interim vectors"):
        LocalCopySource(snapshot)


def test_a_repair_keeps_the_coming_model(root: Path) -> None:
    opener = Opener()
    run(root, opener, quick=True, stop_after=4)
    catalog = root / ".vsearch" / "catalog.sqlite"
    data = bytearray(catalog.read_bytes())
    data[:100] = bytes(100)
    catalog.write_bytes(data)
    for suffix in SUFFIXES:
        if suffix:
            (root / ".vsearch" / f"catalog.sqlite{suffix}").unlink(missing_ok=True)
    repair_index(root / ".vsearch", limits=LIMITS)
    assert settings(root).coming is not None
    run(root, opener)
    check_complete(root, opener)


@pytest.mark.parametrize(
    "value", ["{}", "[]", "nonsense", '{"fingerprint": {}, "model": "words"}', '{"fingerprint": null, "model": 1}']
)
def test_a_damaged_setting_is_reported(root: Path, value: str) -> None:
    update(root, Opener(), options=OPTIONS)
    with closing(Catalog.open_to_write(root / ".vsearch")) as catalog, catalog.transaction():
        catalog.put_setting(COMING, value)
    with pytest.raises(IndexCorruptError, match="its settings are damaged"):
        settings(root)


def test_a_remote_model_can_not_be_the_coming_one(root: Path) -> None:
    """An index from elsewhere could otherwise have texts sent away."""
    update(root, Opener(), options=OPTIONS)
    use_interim_vectors(root / ".vsearch")
    with closing(Catalog.open_to_write(root / ".vsearch")) as catalog, catalog.transaction():
        value = json.loads(catalog.settings()[COMING])
        value["fingerprint"]["provider"] = "openai"
        catalog.put_setting(COMING, json.dumps(value))
    with pytest.raises(IndexCorruptError, match="the coming model is no local one"):
        settings(root)


def test_a_distilled_model_needs_no_other_permission_than_its_local_one() -> None:
    assert settings_of(EmbedderSpec("static", f"{DISTILLED}sentence-transformers/all-MiniLM-L6-v2")) == {}
    assert settings_of(EmbedderSpec("static", f"{DISTILLED}/some/folder")) == {"model": "/some/folder"}
    assert settings_of(EmbedderSpec("static", "other")) == {"embedder": "static", "model": "other"}
