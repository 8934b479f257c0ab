"""Globs of users: which paths they select, from which folder, and which are refused."""

from unicodedata import normalize

import pytest

from vsearch_core.text.globs import PathGlobs, from_folder, is_malformed, without_braces

NFD_NAME = normalize("NFD", "Größe.md")


def selects(globs: list[str], path: str, folder: str = "/p") -> bool:
    written = [each for glob in globs for each in from_folder(glob, "/p", folder)]
    return PathGlobs(written).select(path)


@pytest.mark.parametrize(
    ("globs", "path"),
    [
        (["a/*", "b/*"], "b/x.md"),
        (["[!s]*"], "moon.md"),
        (["[^s]*"], "moon.md"),
        (["src/**/*.py"], "src/a.py"),
        (["src/**/*.py"], "src/d/e/a.py"),
        (["**/*.py"], "top.py"),
        (["*.md"], "a/b/c.md"),
        (["docs"], "docs/a/b"),
        (["docs/"], "docs/a/b"),
        (["/docs/*"], "docs/a"),
        (["*.{md,txt}"], "a/b.txt"),
        (["{a,b/{c,d}}/*"], "b/d/x"),
        (["{a}"], "{a}/x"),
        (["notes [2026]/*"], "notes [2026]/x.md"),
        ([r"notes \[2026\]/*"], "notes [2026]/x.md"),
        (["x [1]"], "x [1]/q"),
        ([r"\!x"], "!x"),
        (["#x"], "#x"),
        (["!drafts/"], "a.md"),
        (["!a", "!b"], "c/x"),
        (["!drafts/", "*.md"], "drafts/a.md"),
        (["docs", "!docs/old"], "docs/new/x.md"),
        (["Größe*"], NFD_NAME),
        ([normalize("NFD", "Größe*")], "Größe.md"),
        (["/elsewhere/x/*"], "/elsewhere/x/y.md"),
        (["/p/docs"], "docs/x"),
        (["/p"], "a"),
        (["."], "docs/x.md"),
    ],
)
def test_globs_select_a_path(globs: list[str], path: str) -> None:
    assert selects(globs, path)


@pytest.mark.parametrize(
    ("globs", "path"),
    [
        (["a/*"], "b/x"),
        (["[!s]*"], "sun.md"),
        (["[^s]*"], "sun.md"),
        (["docs/*.md"], "docs/a/b.md"),
        (["/docs/*"], "x/docs/a"),
        (["doc"], "docs/a"),
        (["!drafts/"], "drafts/a.md"),
        (["*.md", "!drafts/"], "drafts/a.md"),
        (["docs", "!docs/old"], "docs/old/x.md"),
        (["{a,b}", "!b/x"], "b/x/y"),
        (["*.md", "!*.md"], "a.md"),
        (["/p/docs"], "notes/x"),
        (["../q"], "a"),
    ],
)
def test_globs_leave_a_path_out(globs: list[str], path: str) -> None:
    assert not selects(globs, path)


@pytest.mark.parametrize(
    ("glob", "selected", "left_out"),
    [
        ("deep/*", "docs/deep/x.md", "docs/x.md"),
        ("/p/docs/deep/*", "docs/deep/x.md", "docs/x.md"),
        ("../notes/*", "notes/x.md", "docs/notes/x.md"),
        (".", "docs/x.md", "a.md"),
        ("./x.md", "docs/x.md", "x.md"),
        ("docs/*", "docs/x.md", "x.md"),
        ("!deep/*", "docs/x.md", "docs/deep/x.md"),
    ],
)
def test_globs_may_be_relative_to_where_the_user_stands(glob: str, selected: str, left_out: str) -> None:
    assert selects([glob], selected, "/p/docs")
    assert not selects([glob], left_out, "/p/docs")


@pytest.mark.parametrize("glob", ["[", "a[", "[]", "[!", "[!]", "[a]b[c", "a\\"])
def test_an_open_class_and_a_last_backslash_are_malformed(glob: str) -> None:
    assert is_malformed(glob)


@pytest.mark.parametrize("glob", ["[]]", "[!]]", r"\[", "[a-z]*", r"x[\]]", "*.md", "a]", "[[:alpha:]]", ""])
def test_whole_globs_are_well_formed(glob: str) -> None:
    assert not is_malformed(glob)


def test_braces_are_alternatives() -> None:
    assert without_braces("a{b,c{d,}}e") == ["abe", "acde", "ace"]
    assert without_braces(r"a\{b,c}") == [r"a\{b,c}"]
    assert without_braces("[{,}]") == ["[{,}]"]


def test_too_many_alternatives_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 1,000 globs"):
        without_braces("{a,b}" * 11)
