"""Hits in older versions of a document, on the command line."""

from collections.abc import Callable
from pathlib import Path

import pytest
from process import Vsearch, write_files

SHARED = "Tools are lent to members for a week, and a drill for three days. Bring them back clean, dry and complete.\n"
FILES = {
    "rules/policy-2025.md": f"The late fee is fifty pence, and a late fee is never waived. {SHARED}",
    "rules/policy-2026.md": f"From now on the late fee is one pound for each day. {SHARED}",
    "rules/chapter-1.md": SHARED,
    "rules/chapter-2.md": SHARED,
}


@pytest.fixture(scope="module")
def rules(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_files(tmp_path_factory.mktemp("rules"), FILES)
    assert vsearch("index", ".", cwd=folder).status == 0
    return folder / "rules"


def test_a_hit_names_its_newer_version_on_a_line(
    vsearch: Vsearch, on_a_terminal: Callable[..., tuple[int, str, str]], rules: Path
) -> None:
    query = ("query", "--mode", "keyword", "-k", "1", "late fee waived")
    assert vsearch(*query, cwd=rules).lines[2:] == ["    newer: policy-2026.md"]
    _, out, _ = on_a_terminal(*query, cwd=rules)
    assert "\x1b[2mnewer: policy-2026.md\x1b[0m" in out


def test_json_has_the_newest_version_of_each_hit(vsearch: Vsearch, rules: Path) -> None:
    hits = vsearch("query", "--mode", "keyword", "--no-collapse", "--json", "late fee tools", cwd=rules).json["hits"]
    assert {hit["path"]: hit["newer"] for hit in hits} == {
        "rules/policy-2025.md": "rules/policy-2026.md",
        "rules/policy-2026.md": None,
        "rules/chapter-1.md": None,
        "rules/chapter-2.md": None,
    }


def test_a_query_for_the_present_state_gets_the_newest_first(vsearch: Vsearch, rules: Path) -> None:
    found = vsearch("query", "--mode", "keyword", "--paths", "late fee waived since 2026", cwd=rules).lines
    assert found.index("policy-2026.md") < found.index("policy-2025.md")
    plain = vsearch("query", "--mode", "keyword", "--paths", "late fee waived", cwd=rules).lines
    assert plain[0] == "policy-2025.md"
