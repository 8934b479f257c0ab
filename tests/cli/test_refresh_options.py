"""A refresh (`vsearch index` without a path) uses the options that apply now, and `vsearch status` shows them."""

from pathlib import Path

import pytest
from process import Vsearch, write_files

FILES = {"a.md": "final otter\n", "drafts/b.md": "draft otter\n", "old/c.txt": "old otter\n"}


@pytest.fixture
def otters(vsearch: Vsearch, project: Path) -> Path:
    write_files(project, FILES)
    assert vsearch("index", ".", "-q", cwd=project).status == 0
    return project


def found(vsearch: Vsearch, project: Path) -> set[str]:
    return set(vsearch("query", "otter", "--mode", "keyword", "--paths", cwd=project).lines)


@pytest.mark.parametrize(
    ("key", "value", "left"),
    [
        ("exclude", "drafts/", {"a.md", "old/c.txt"}),
        ("include", "*.md", {"a.md", "drafts/b.md"}),
        ("max_file_size", "11", {"old/c.txt"}),
    ],
)
def test_a_setting_counts_until_it_is_unset(
    vsearch: Vsearch, otters: Path, key: str, value: str, left: set[str]
) -> None:
    assert vsearch("config", key, value, cwd=otters).status == 0
    assert vsearch("index", "-q", cwd=otters).status == 0
    assert found(vsearch, otters) == left
    assert vsearch("config", "--unset", key, cwd=otters).status == 0
    assert vsearch("index", "-q", cwd=otters).status == 0
    assert found(vsearch, otters) == set(FILES)


def test_an_environment_variable_counts(vsearch: Vsearch, otters: Path) -> None:
    assert vsearch("index", "-q", cwd=otters, VSEARCH_EXCLUDE="old,drafts").status == 0
    assert found(vsearch, otters) == {"a.md"}


def test_options_without_a_path_apply_to_all_sources_and_stay(vsearch: Vsearch, otters: Path) -> None:
    assert vsearch("index", "--exclude", "old/", "-q", cwd=otters).status == 0
    assert found(vsearch, otters) == {"a.md", "drafts/b.md"}
    assert vsearch("index", "-q", cwd=otters, VSEARCH_EXCLUDE="drafts").status == 0  # the option comes first
    assert found(vsearch, otters) == {"a.md", "drafts/b.md"}
    assert "sources   . (exclude old/)\n" in vsearch("status", cwd=otters).out
    walks = vsearch("status", "--json", cwd=otters).json["walks"]
    assert walks["."] == {"exclude": ["old/"], "include": [], "max_file_size": 50_000_000, "use_ignore_files": True}
    assert vsearch("index", ".", "-q", cwd=otters).status == 0  # naming the path starts again
    assert found(vsearch, otters) == set(FILES)


def test_a_plan_of_a_refresh_counts_the_options(vsearch: Vsearch, otters: Path) -> None:
    assert vsearch("index", "--plan", "--exclude", "old", "--json", cwd=otters).json["gone"] == 1
    assert found(vsearch, otters) == set(FILES)


def test_a_malformed_setting_is_refused_before_anything_changes(vsearch: Vsearch, otters: Path) -> None:
    assert "is not a glob" in vsearch("index", cwd=otters, VSEARCH_EXCLUDE="[").error
    assert found(vsearch, otters) == set(FILES)


def test_the_users_own_value_is_shown_and_unset(vsearch: Vsearch, otters: Path, tmp_path: Path) -> None:
    def config(*arguments: str) -> str:
        result = vsearch("config", *arguments, cwd=otters, XDG_CONFIG_HOME=str(tmp_path / "cfg"))
        assert (result.status, result.err) == (0, "")
        return result.out.strip()

    assert config("k", "5") == "5"
    assert config("--user", "k") == "-"
    assert config("--user", "k", "7") == "7"
    assert config("k") == "5"
    assert config("--unset", "k") == "7"
    assert config("--unset", "--user", "k") == "-"
    assert config("k") == "10"


@pytest.mark.parametrize("arguments", [("--unset",), ("--unset", "k", "5")])
def test_unset_takes_one_key_and_no_value(vsearch: Vsearch, otters: Path, arguments: tuple[str, ...]) -> None:
    assert vsearch("config", *arguments, cwd=otters).error.startswith("--unset: needs the name of one setting")


def test_an_unknown_key_is_named_and_the_rest_is_listed(vsearch: Vsearch, otters: Path) -> None:
    write_files(otters, {".vsearch/config.toml": "nosuch = 1\nk = 3\n"})
    listed = vsearch("config", cwd=otters)
    assert listed.status == 0
    assert "'nosuch' is not a setting" in listed.err
    assert any(line.split()[:2] == ["k", "3"] for line in listed.lines)
    assert vsearch("config", "k", "4", cwd=otters).status == 0
    assert (otters / ".vsearch/config.toml").read_text(encoding="utf-8") == "nosuch = 1\nk = 4\n"
