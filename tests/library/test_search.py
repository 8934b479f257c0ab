"""`Index.search` and the other methods that find chunks."""

from datetime import UTC, datetime
from pathlib import Path
from threading import get_ident
from typing import Any

import numpy as np
import pytest
from process import write_files
from support import WordEmbedder

import vsearch_core as vsearch


def paths(results: vsearch.Results) -> list[str]:
    return [hit.path for hit in results.hits]


def test_the_best_chunk_comes_first(index: vsearch.Index) -> None:
    results = index.search("late fee", k=2)
    assert paths(results)[0] == "fees.md"
    assert len(results.hits) == 2
    assert results.generation == index.generation


@pytest.mark.parametrize("mode", ["hybrid", "vector", "keyword"])
def test_every_mode_finds_it(index: vsearch.Index, mode: str) -> None:
    assert paths(index.search("pump valve", mode=mode))[0] == "pump.md"


def test_filters_are_options(index: vsearch.Index) -> None:
    assert set(paths(index.search("flour", where="ext = 'txt'"))) == {"bread.txt"}
    assert set(paths(index.search("flour", ext="md"))) == {"fees.md", "pump.md"}
    assert set(paths(index.search("flour", ext=["md"], path="pump*"))) == {"pump.md"}
    assert index.search("flour", since=datetime(2999, 1, 1, tzinfo=UTC)).matched == 0
    assert index.search("flour", until="30d").matched == 0


def test_a_request_may_be_given_instead(index: vsearch.Index) -> None:
    request = vsearch.search_request("pump", k=1, ext="md")
    assert index.search(request).hits == index.search("pump", k=1, ext="md").hits
    with pytest.raises(vsearch.ArgumentError, match="combined with a SearchRequest"):
        index.search(request, k=2)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("text", "options", "code"),
    [
        ("", {}, "empty-query"),
        ("pump", {"k": 0}, "invalid-argument"),
        ("pump", {"mode": "psychic"}, "invalid-argument"),
        ("pump", {"since": "some day"}, "invalid-date"),
        ("pump", {"more_like": ["nowhere.md"]}, "no-such-example"),
    ],
)
def test_bad_searches_are_refused(index: vsearch.Index, text: str, options: dict[str, Any], code: str) -> None:
    with pytest.raises(vsearch.InputError) as refused:
        index.search(text, **options)
    assert refused.value.code == code


def test_snippets_belong_to_the_hits(index: vsearch.Index) -> None:
    results = index.search("valve", snippets=True)
    assert len(results.snippets) == len(results.hits)
    assert "valve" in results.snippets[0].text
    assert index.search("valve").snippets == ()


def test_many_queries_are_answered_in_order(index: vsearch.Index) -> None:
    queries: list[str | vsearch.SearchRequest] = ["late fee", "pump valve", vsearch.search_request("flour", k=1)]
    answers = list(index.search_many(queries, k=1))
    assert [paths(each) for each in answers] == [["fees.md"], ["pump.md"], ["bread.txt"]]


def test_similar_chunks_to_a_file_are_others(index: vsearch.Index, notes: Path) -> None:
    found = paths(index.similar(str(notes / "pump.md")))
    assert found and "pump.md" not in found


def test_an_example_outside_the_index_is_embedded(index: vsearch.Index, embedder: WordEmbedder, tmp_path: Path) -> None:
    outside = write_files(tmp_path / "outside", {"new.md": "The pump and its valve."}) / "new.md"
    assert paths(index.similar(str(outside)))[0] == "pump.md"
    assert embedder.embedded[-1].strip() == "The pump and its valve."


def test_copies_are_found(index: vsearch.Index, notes: Path) -> None:
    text = " ".join(f"word{number}" for number in range(60))
    write_files(notes, {"one.txt": text, "two.txt": text})
    index.update()
    (group,) = index.duplicates().groups
    assert sorted(member.stored.path for member in group) == ["one.txt", "two.txt"]
    with pytest.raises(vsearch.ArgumentError, match="between"):
        index.duplicates(0.1)


def test_read_returns_the_stored_text_without_the_file(index: vsearch.Index, notes: Path) -> None:
    (notes / "pump.md").unlink()
    assert index.read("pump.md").text.splitlines()[0].endswith("Pump")
    line = index.read("pump.md", 3)
    assert (line.start_line, line.end_line, line.text) == (3, 3, "The pump is primed by hand.")
    assert index.read(str(notes / "pump.md"), 3, 5).text.endswith("Its valve must be closed.")


@pytest.mark.parametrize(("path", "line", "code"), [("gone.md", None, "not-indexed"), ("pump.md", 99, "no-such-line")])
def test_reading_what_is_not_there_is_refused(index: vsearch.Index, path: str, line: int | None, code: str) -> None:
    with pytest.raises(vsearch.InputError) as refused:
        index.read(path, line)
    assert refused.value.code == code


@pytest.mark.parametrize(("read_examples", "text"), [(True, "Other"), (False, "Pump")])
def test_names_for_a_server_are_relative_to_the_root(
    index: vsearch.Index, notes: Path, monkeypatch: pytest.MonkeyPatch, read_examples: bool, text: str
) -> None:
    monkeypatch.chdir(write_files(notes / "sub", {"pump.md": "# Other\n\nAnother pump.\n"}))
    index.update()
    with vsearch.open_index(notes, read_examples=read_examples) as opened:
        assert text in opened.read("pump.md").text


def test_another_model_than_the_indexs_is_refused(index: vsearch.Index, notes: Path) -> None:
    with (
        vsearch.open_index(notes, open_embedder=lambda _spec: WordEmbedder("other")) as other,
        pytest.raises(vsearch.IndexMismatchError),
    ):
        other.search("pump")


def test_the_first_query_is_embedded_in_a_thread_of_its_own(notes: Path, index: vsearch.Index) -> None:
    threads: list[int] = []

    class ThreadRecorder(WordEmbedder):
        def embed_queries(self, texts: Any) -> Any:
            threads.append(get_ident())
            return super().embed_queries(texts)

    with vsearch.open_index(notes, open_embedder=lambda _spec: ThreadRecorder()) as opened:
        assert opened.search("pump").hits == opened.search("pump").hits
    assert threads[0] != get_ident()
    assert threads[1] == get_ident()


REMOTE = vsearch.EmbedderSpec("openai", "m", base_url="https://vectors.example/v1")


@pytest.fixture
def remote(notes: Path) -> Path:
    """An index whose embedder is elsewhere."""

    class Remote(WordEmbedder):
        def __init__(self) -> None:
            super().__init__()
            self.fingerprint = vsearch.Fingerprint("openai", "m", "w", 48, "sum+l2")

    options = {"embedder": "openai", "model": "m", "base_url": REMOTE.base_url}
    opened = vsearch.open_index(notes, create=True, open_embedder=lambda _spec: Remote(), **options)  # type: ignore[arg-type]
    with opened as index:
        index.update([notes])
    return notes


def test_an_index_alone_sends_text_nowhere(remote: Path) -> None:
    def refuse(_spec: vsearch.EmbedderSpec) -> vsearch.Embedder:
        raise AssertionError("it was opened")

    requests_for_consent: list[tuple[str, str]] = []
    with vsearch.open_index(remote, open_embedder=refuse) as index, pytest.raises(vsearch.InputError) as refused:
        index.search("pump")
    assert refused.value.code == "no-consent"
    with (
        vsearch.open_index(
            remote,
            open_embedder=refuse,
            consent=lambda spec, host: bool(requests_for_consent.append((spec.provider, host))),  # type: ignore[func-returns-value]
        ) as index,
        pytest.raises(vsearch.InputError),
    ):
        index.search("pump")
    assert requests_for_consent == [("openai", REMOTE.base_url)]
    with vsearch.open_index(remote, open_embedder=refuse) as index:
        assert index.search("pump", mode="keyword").hits


def test_verdicts_teach_the_fusion(index: vsearch.Index, notes: Path) -> None:
    files = {f"part{number}.md": f"The part number{number} of the machine." for number in range(12)}
    write_files(notes, files)
    index.update()
    for number in range(12):
        index.record_verdict(f"number{number}", f"part{number}.md:1")
    verdicts, damaged = index.verdicts()
    assert (len(verdicts), damaged, verdicts[0].line) == (12, 0, 1)
    dataset = vsearch.Dataset(
        None,
        {str(number): f"number{number}" for number in range(12)},
        {str(number): {f"part{number}.md": 1} for number in range(12)},
    )
    assert index.missing_documents(dataset) == []
    report = index.evaluate(dataset, modes=["keyword"])
    assert report.modes[0].ndcg_10 == pytest.approx(1)
    assert index.tune(dataset, dry_run=True).stored is False
    assert index.tuned() is None
    index.reset_tuning()


def test_few_queries_teach_nothing(index: vsearch.Index) -> None:
    dataset = vsearch.Dataset(None, {"1": "pump"}, {"1": {"pump.md": 1}})
    with pytest.raises(vsearch.InputError, match="1 judged query is too few to learn from") as refused:
        index.tune(dataset)
    assert refused.value.code == "too-few-queries"


def test_a_verdict_on_an_unknown_file_is_refused(index: vsearch.Index) -> None:
    with pytest.raises(vsearch.InputError) as refused:
        index.record_verdict("pump", "nowhere.md")
    assert refused.value.code == "not-indexed"


def test_vectors_of_hits_are_the_embedders(index: vsearch.Index, embedder: WordEmbedder) -> None:
    (hit,) = index.search("late fee", mode="vector", k=1).hits
    (query,) = embedder.embed_queries(["late fee"])
    (chunk,) = embedder.embed_queries([hit.text])
    assert hit.score == pytest.approx(float(np.dot(query, chunk)), abs=1e-3)
