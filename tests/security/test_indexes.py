"""A project's file can't have an index elsewhere on the machine searched that the user has not chosen."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from process import Vsearch, write_files

SECRET = "The password of the safe is zeppelin."


@pytest.fixture
def home(vsearch: Vsearch, tmp_path: Path) -> Iterator[Path]:
    """A folder with a private index, and a clone with an index of its own and one inside it."""
    texts = {"private/safe.txt": SECRET, "clone/readme.txt": "How to build.", "clone/part/guide.txt": "How to paint."}
    write_files(tmp_path, texts)
    for name in ("private", "clone/part", "clone"):
        assert vsearch("index", ".", "--index", ".vsearch", cwd=tmp_path / name).status == 0
    yield tmp_path
    shutil.rmtree(tmp_path / "private")


def set_by_author(home: Path, *names: str) -> None:
    listed = ", ".join(f"'{name}'" for name in names)
    (home / "clone/.vsearch/config.toml").write_text(f"indexes = [{listed}]\n")


@pytest.mark.parametrize(
    "name", ["{home}/private", "../private", "{home}/private/.vsearch", "part/../../private", "link"]
)
def test_a_project_cannot_name_an_index_outside(vsearch: Vsearch, home: Path, name: str) -> None:
    if name == "link":
        (home / "clone/link").symlink_to("../private", target_is_directory=True)
    set_by_author(home, name.format(home=home))
    for arguments in (["query", "password"], ["query", "--json", "password"], ["similar", "readme.txt"]):
        found = vsearch(*arguments, "--everywhere", cwd=home / "clone")
        assert (found.status, "zeppelin" in found.out + found.err) == (2, False)
        assert "never chosen on this machine" in found.err and "config.toml" in found.err
    assert vsearch("query", "build", cwd=home / "clone").status == 0


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_a_linked_index_folder_is_outside(vsearch: Vsearch, home: Path) -> None:
    (home / "clone/other").mkdir()
    (home / "clone/other/.vsearch").symlink_to(home / "private/.vsearch", target_is_directory=True)
    set_by_author(home, "other")
    found = vsearch("query", "--everywhere", "password", cwd=home / "clone")
    assert (found.status, "zeppelin" in found.out + found.err) == (2, False)


def test_an_index_inside_the_project_is_searched(vsearch: Vsearch, home: Path) -> None:
    set_by_author(home, "part")
    found = vsearch("query", "--paths", "--everywhere", "--mode", "keyword", "paint", cwd=home / "clone")
    assert any(line.endswith("guide.txt") for line in found.lines), found.err


def test_what_the_user_has_set_counts_until_it_leads_elsewhere(vsearch: Vsearch, home: Path) -> None:
    """The choice is of a folder, not of a name that the project could make a link."""
    write_files(home, {"shared/safe.txt": "The lock of the shed."})
    assert vsearch("index", ".", "--index", ".vsearch", cwd=home / "shared").status == 0
    assert vsearch("config", "indexes", "../shared", cwd=home / "clone").status == 0
    found = vsearch("query", "--everywhere", "--mode", "keyword", "shed", cwd=home / "clone")
    assert (found.status, "shed" in found.out) == (0, True), found.err
    shutil.rmtree(home / "shared")
    (home / "shared").symlink_to("private", target_is_directory=True)
    found = vsearch("query", "--everywhere", "--mode", "keyword", "password", cwd=home / "clone")
    assert (found.status, "zeppelin" in found.out + found.err) == (2, False)


def test_an_index_of_the_users_own_file_is_searched(vsearch: Vsearch, home: Path) -> None:
    assert vsearch("config", "--user", "indexes", str(home / "private"), cwd=home).status == 0
    try:
        found = vsearch("query", "--everywhere", "--mode", "keyword", "password", cwd=home / "clone")
    finally:
        assert vsearch("config", "--user", "--unset", "indexes", cwd=home).status == 0
    assert (found.status, "zeppelin" in found.out) == (0, True)
