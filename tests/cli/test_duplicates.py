"""`vsearch duplicates`."""

import re
from pathlib import Path

import pytest
from process import Vsearch, controls_terminal, write_files

from .conftest import EVIL_NAME

LEASE = " ".join(f"Clause {number} binds the tenant to keep item {number} in order." for number in range(12))
RECIPE = "Take flour, water and salt, knead them for ten minutes, and let the dough rise for two hours."


@pytest.fixture(scope="module")
def copies(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = {
        "lease.txt": LEASE,
        "old/lease.md": LEASE.upper(),
        "old/edited.txt": LEASE.replace("item 7 ", "item seven "),
        EVIL_NAME: RECIPE,
        "bread.txt": RECIPE,
        "pump.txt": "The pump needs grease.",
    }
    folder = write_files(tmp_path_factory.mktemp("copies"), files)
    assert vsearch("index", ".", cwd=folder).status == 0
    return folder


def members(answer: dict[str, list[dict[str, list[dict[str, str]]]]]) -> list[set[str]]:
    return [{member["path"] for member in group["members"]} for group in answer["groups"]]


def test_groups_as_json(vsearch: Vsearch, copies: Path) -> None:
    result = vsearch("duplicates", "--json", cwd=copies)
    assert result.status == 0
    answer = result.json
    assert list(answer) == ["schema", "threshold", "generation", "searched", "matched", "took_ms", "groups"]
    assert (answer["schema"], answer["threshold"], answer["searched"]) == ("vsearch.duplicates/1", 0.8, 6)
    assert members(answer) == [{"lease.txt", "old/lease.md", "old/edited.txt"}, {EVIL_NAME, "bread.txt"}]
    first = answer["groups"][0]["members"][0]
    keys = ["path", "chunk", "start_line", "end_line", "start_char", "end_char", "page", "heading", "resemblance"]
    assert list(first) == keys
    assert first["resemblance"] == 1


def test_groups_as_text(vsearch: Vsearch, copies: Path) -> None:
    result = vsearch("duplicates", cwd=copies)
    assert (result.status, result.err) == (0, "")
    large, small = result.out.split("\n\n")
    assert all(re.fullmatch(r".+:1  [01]\.\d{3}", line) for line in [*large.split("\n"), *small.split("\n")[:-1]])
    assert not controls_terminal(result.out)


def test_the_threshold_sets_what_counts_as_a_duplicate(vsearch: Vsearch, copies: Path) -> None:
    answer = vsearch("duplicates", "--threshold", "0.99", "--json", "--path", "*.[tm]*", cwd=copies).json
    assert {"lease.txt", "old/edited.txt"} not in members(answer)
    assert "old/edited.txt" not in set().union(*members(answer))


def test_filters_apply(vsearch: Vsearch, copies: Path) -> None:
    answer = vsearch("duplicates", "--path", "old", "--json", cwd=copies).json
    assert (members(answer), answer["matched"], answer["searched"]) == ([{"old/lease.md", "old/edited.txt"}], 2, 6)


def test_no_duplicates_is_status_1(vsearch: Vsearch, copies: Path) -> None:
    result = vsearch("duplicates", "--path", "pump.txt", cwd=copies)
    assert (result.status, result.out, result.err) == (1, "", "no two of 1 chunk have a resemblance of 0.8 or more\n")
    assert vsearch("duplicates", "--path", "pump.txt", "--json", cwd=copies).json["groups"] == []


@pytest.mark.parametrize("threshold", ["0.4", "1.1", "nan"])
def test_a_threshold_out_of_range_is_refused(vsearch: Vsearch, copies: Path, threshold: str) -> None:
    assert "--threshold" in vsearch("duplicates", "--threshold", threshold, cwd=copies).error
