"""Names of versions of one document, and words that ask for the newest."""

import pytest

from vsearch_core.search.versions import FileVersion, asks_for_newest, file_version, versioned_name
from vsearch_core.store.catalog import FileFacts


def version(path: str, title: str | None = None, meta: str = "{}") -> FileVersion:
    return file_version(FileFacts(path, title, meta))


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("policy-2025.md", "policy-2026.md"),
        ("policy-2025.md", "Policy 2026.pdf"),
        ("report_v1.md", "report_v2.md"),
        ("report v1.9.docx", "report v1.10.docx"),
        ("spec-rev3.txt", "spec-rev12.txt"),
        ("2025/policy.md", "2026/policy.md"),
        ("a/v1/guide.md", "a/v2/guide.md"),
        ("plan 31.12.2025.md", "plan 01.02.2026.md"),
        ("plan_20251231.md", "plan_20260201.md"),
        ("plan-2025-12.md", "plan-2026-01.md"),
    ],
)
def test_dates_and_version_numbers_order_names(older: str, newer: str) -> None:
    one, other = version(older), version(newer)
    assert one.is_sibling(other)
    assert other.is_newer_than(one)
    assert not one.is_newer_than(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("chapter-1.md", "chapter-2.md"),
        ("01-intro.md", "02-setup.md"),
        ("invoice-1041.pdf", "invoice-1042.pdf"),
        ("invoice-2026-01.pdf", "invoice-2026-02.pdf"),
        ("minutes/2026-01-20-trustees.md", "minutes/2026-04-21-trustees.md"),
        ("2026-01-20.md", "2026-01-21.md"),
        ("iso-9001.md", "iso-9002.md"),
        ("policy-2025.md", "plan-2026.md"),
        ("a/policy-2025.md", "b/policy-2026.md"),
        ("policy.md", "policy-2026.md"),
        ("apollo11.md", "apollo13.md"),
        ("rev.md", "rev2ision.md"),
    ],
)
def test_other_names_are_no_versions(one: str, other: str) -> None:
    first, second = version(one), version(other)
    assert not (first.is_sibling(second) and (first.is_newer_than(second) or second.is_newer_than(first)))


def test_front_matter_dates_versions_of_one_title() -> None:
    older = version("a/old.md", "Lending policy 2025", '{"date": "2025-01-20"}')
    newer = version("a/current.md", "Lending policy 2026", '{"Effective": "2026-02-01", "supersedes": "old.md"}')
    assert older.is_sibling(newer) and newer.is_newer_than(older)
    assert newer.replaces(older) and not older.replaces(newer)
    assert not older.is_sibling(version("b/current.md", "Lending policy 2026", '{"date": "2026-02-01"}'))
    numbered = [version("a/x.md", "The big plan", f'{{"version": {number}}}') for number in (3, 4)]
    assert numbered[1].is_newer_than(numbered[0])


@pytest.mark.parametrize("meta", ["", "[]", "7", '{"date": {}}', '{"date": [[]], "version": null}', '{"date": "soon"}'])
def test_malformed_front_matter_tells_nothing(meta: str) -> None:
    assert (version("a.md", "A b", meta).date, version("a.md", "A b", meta).version) == ((), ())


def test_names_are_composed_and_folded() -> None:
    assert versioned_name("U\u0308BERSICHT 2026") == versioned_name("übersicht_2026")


@pytest.mark.parametrize(
    "query",
    [
        "what is the late fee now",
        "current late fee",
        "the latest policy",
        "late fee since 2026",
        "What applies as of today?",
        "wie hoch ist die aktuelle Gebühr",
        "frais actuellement en vigueur",
        "текущий тариф",
        "现在的费用",
    ],
)
def test_words_that_ask_for_the_newest(query: str) -> None:
    assert asks_for_newest(query)


@pytest.mark.parametrize(
    "query", ["late fee", "late fee in 2025", "knowledge of snow", "electric currents", "since Monday", "concurrent"]
)
def test_other_queries_do_not_ask_for_the_newest(query: str) -> None:
    assert not asks_for_newest(query)
