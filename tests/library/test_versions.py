"""Newer versions of a hit's file, and queries that ask for the newest."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from process import write_files
from support import WordEmbedder

import vsearch_core as vsearch

WORDS = [f"{a}{b}" for a in ("ba", "ke", "lo", "mi", "su", "ta") for b in ("nar", "rel", "sor", "tum", "vik", "zon")]


def prose(seed: int, count: int) -> str:
    rng = random.Random(seed)
    return " ".join(rng.choice(WORDS) for _ in range(count))


SHARED = prose(1, 120)
INVOICE = f"Invoice. Please pay within thirty days. {prose(9, 60)}"
FILES = {
    "policy-2024.md": f"The late fee was ten pence. {SHARED}",
    "policy-2025.md": f"The late fee is fifty pence, and the late fee has no limit. {SHARED}",
    "policy-2026.md": f"The late fee is one pound. {prose(2, 200)} {SHARED}",
    "report_v1.md": f"A report on herons. {prose(3, 90)}",
    "report_v2.md": f"A report on herons and geese. {prose(3, 90)}",
    "annual-2025.md": f"Annual accounts of the mill. {prose(4, 200)}",
    "annual-2026.md": f"Annual accounts of the weir. {prose(5, 200)}",
    "chapter-1.md": f"Chapter of boats. {SHARED}",
    "chapter-2.md": f"Chapter of boats. {SHARED}",
    "invoice-2025.md": INVOICE + " Number 17.",
    "invoice-2026.md": INVOICE + " Number 18.",
    "plan-2026-01.md": f"Plan of the month. {prose(6, 20)} {prose(7, 90)}",
    "plan-2026-02.md": f"Plan of the month. {prose(6, 20)} {prose(8, 90)}",
    "sub/old.md": f"---\ntitle: House rules\ndate: 2024-05-01\n---\nNo smoking. {prose(10, 60)}",
    "sub/new.md": f"---\ntitle: House rules\ndate: 2026-05-01\n---\nNo smoking at all. {prose(10, 60)}",
    "sub/rules-2025.md": f"---\nversion: 1\n---\nRules of ferries. {prose(11, 80)}",
    "sub/rules-2026.md": f"---\nsupersedes: rules-2025.md\n---\nQuite rewritten ferries. {prose(12, 80)}",
}
NEWER = {
    "policy-2024.md": "policy-2026.md",
    "policy-2025.md": "policy-2026.md",
    "report_v1.md": "report_v2.md",
    "sub/old.md": "sub/new.md",
    "sub/rules-2025.md": "sub/rules-2026.md",
}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[vsearch.Index]:
    folder = write_files(tmp_path_factory.mktemp("shelf"), FILES)
    with vsearch.open_index(folder, create=True, open_embedder=lambda _spec: WordEmbedder()) as index:
        index.update([folder])
        yield index


def test_a_hit_says_which_file_is_newer(shelf: vsearch.Index) -> None:
    queries = " ".join(WORDS)
    found = {hit.path: hit.newer for hit in shelf.search(queries, k=50, group_by_file=True).hits}
    assert set(found) == set(FILES)
    assert {path: newer for path, newer in found.items() if newer is not None} == NEWER


@pytest.mark.parametrize("mode", ["hybrid", "keyword", "vector"])
@pytest.mark.parametrize("word", ["now", "latest", "since 2026"])
def test_a_query_for_the_present_state_has_the_newest_first(shelf: vsearch.Index, mode: str, word: str) -> None:
    plain = shelf.search("late fee pence", mode=mode, k=20)
    assert plain.hits[0].path in {"policy-2024.md", "policy-2025.md"}
    results = shelf.search(f"late fee pence {word}", mode=mode, k=20)
    policies = [hit.path for hit in results.hits if hit.path.startswith("policy")]
    assert policies[0] == "policy-2026.md"
    scores = [hit.score for hit in results.hits]
    assert scores == sorted(scores, reverse=True)
    assert [hit.rank for hit in results.hits] == list(range(1, len(results.hits) + 1))


def test_other_queries_keep_their_order(shelf: vsearch.Index, monkeypatch: pytest.MonkeyPatch) -> None:
    queries = ["late fee", "report on herons", "no smoking", "annual accounts", "chapter of boats"]
    ranked = [[(hit.path, hit.score) for hit in shelf.search(query, k=20).hits] for query in queries]
    monkeypatch.setattr("vsearch_core.search.local.LocalSearcher.newest_version", lambda _self, _path: None)
    assert ranked == [[(hit.path, hit.score) for hit in shelf.search(query, k=20).hits] for query in queries]


def test_a_removed_version_is_no_longer_newer(tmp_path: Path) -> None:
    write_files(tmp_path, {name: FILES[name] for name in ("policy-2025.md", "policy-2026.md")})
    with vsearch.open_index(tmp_path, create=True, open_embedder=lambda _spec: WordEmbedder()) as index:
        index.update([tmp_path])
        assert {hit.newer for hit in index.search("late fee").hits} == {None, "policy-2026.md"}
        index.remove([tmp_path / "policy-2026.md"])
        assert {hit.newer for hit in index.search("late fee").hits} == {None}


RULES = "A loan ends after seven days. Seeds are free for members of the mill."
FEES = {
    "note.md": "The late fee rises. Late fee: one pound.",
    "policy-2025.md": f"The late fee is fifty pence. {RULES}",
    "policy-2026.md": f"The late fee is one pound. {RULES}",
}


@pytest.fixture(scope="module")
def fees(tmp_path_factory: pytest.TempPathFactory) -> Iterator[vsearch.Index]:
    folder = write_files(tmp_path_factory.mktemp("fees"), FEES)
    with vsearch.open_index(folder, create=True, open_embedder=lambda _spec: WordEmbedder()) as index:
        index.update([folder])
        yield index


@pytest.mark.parametrize(
    ("query", "mode", "order"),
    [
        ("how high is the late fee", "hybrid", ["note.md", "policy-2026.md", "policy-2025.md"]),
        ("how high is the late fee now", "hybrid", ["policy-2026.md", "note.md", "policy-2025.md"]),
        ("now the late fee rises", "hybrid", ["note.md", "policy-2026.md", "policy-2025.md"]),  # scores far less
        ("how high is the late fee now", "keyword", ["note.md", "policy-2026.md", "policy-2025.md"]),
    ],
)
def test_for_the_present_state_a_document_with_versions_goes_before_others_that_are_little_better(
    fees: vsearch.Index, query: str, mode: str, order: list[str]
) -> None:
    hits = fees.search(query, mode=mode).hits
    assert [hit.path for hit in hits] == order
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
