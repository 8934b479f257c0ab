"""Commands find the nearest index, and print paths relative to the working folder."""

import os
import shutil
from pathlib import Path

import pytest
from process import Vsearch, write_files


def test_the_nearest_index_upwards_is_used(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "-k", "1", "--paths", "exponential backoff", cwd=library / "notes" / "deep")
    assert result.out == "../retries.md\n"


def test_text_output_has_paths_relative_to_the_working_folder(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "-k", "1", "exponential backoff", cwd=library / "notes")
    assert result.lines[0].startswith("retries.md:3  ")


def test_json_output_has_paths_relative_to_the_root(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "-k", "1", "--json", "exponential backoff", cwd=library / "notes" / "deep")
    assert result.json["hits"][0]["path"] == "notes/retries.md"


def test_a_project_inside_a_project_has_its_own_index(vsearch: Vsearch, indexed: Path) -> None:
    inner = write_files(indexed / "inner", {"mill.txt": "The mill."})
    assert vsearch("index", "--index", ".vsearch", ".", cwd=inner).status == 0
    assert vsearch("query", "--paths", "mill", cwd=inner).out == "mill.txt\n"
    assert "mill.txt" not in vsearch("query", "--paths", "mill", cwd=indexed).out


def test_index_in_a_subfolder_adds_to_the_projects_index(vsearch: Vsearch, indexed: Path) -> None:
    inner = write_files(indexed / "inner", {"mill.txt": "The mill."})
    assert vsearch("index", "mill.txt", cwd=inner).status == 0
    assert not (inner / ".vsearch").exists()
    assert vsearch("query", "-k", "1", "--json", "mill", cwd=indexed).json["hits"][0]["path"] == "inner/mill.txt"


@pytest.mark.parametrize("named", [".", ".vsearch"])
def test_the_index_option_accepts_the_project_or_its_index(
    vsearch: Vsearch, library: Path, tmp_path: Path, named: str
) -> None:
    result = vsearch("query", "-k", "1", "--paths", "--index", library / named, "exponential backoff", cwd=tmp_path)
    assert (tmp_path / result.out.strip()).resolve() == (library / "notes" / "retries.md").resolve()


def test_a_relative_index_option_is_relative_to_the_working_folder(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("status", "--json", "--index", "..", cwd=library / "notes")
    assert result.json["index"] == str(library / ".vsearch")


def test_an_index_can_live_anywhere_under_any_name(vsearch: Vsearch, project: Path, tmp_path: Path) -> None:
    write_files(project, {"pump.txt": "The pump needs grease.\n"})
    elsewhere = tmp_path / "my indexes" / "100% ünïcode?#&"
    assert vsearch("index", "--index", elsewhere, ".", cwd=project).status == 0
    assert not (project / ".vsearch").exists()
    result = vsearch("query", "--index", elsewhere, "pump", cwd=project)
    assert result.lines[0].split(":")[0].endswith("pump.txt")


def test_a_name_that_is_not_utf8_is_refused_before_anything_is_created(vsearch: Vsearch, project: Path) -> None:
    foreign = project / os.fsdecode(b"caf\xe9")
    try:
        foreign.mkdir()
    except OSError:
        pytest.skip("the file system takes no such name")
    write_files(project, {"pump.txt": "The pump."})
    for command in (("index", foreign), ("index", "--index", foreign, "pump.txt"), ("index", "--index", foreign / "x")):
        error = vsearch(*command, cwd=project).error
        assert "caf\ufffd" in error
        assert error.endswith(
            ": its name is not valid UTF-8; rename the file, or the folder above it whose name is not valid"
        )
        assert not list(foreign.iterdir())
        assert not (project / ".vsearch").exists()


def test_an_index_in_a_folder_renamed_to_invalid_utf8_is_refused(vsearch: Vsearch, indexed: Path) -> None:
    try:
        foreign = indexed.rename(indexed.with_name(os.fsdecode(b"caf\xe9")))
    except OSError:
        pytest.skip("the file system takes no such name")
    for command in (("query", "pump"), ("status",), ("check",), ("remove", "pump.txt"), ("index",), ("repair",)):
        assert "its name is not valid UTF-8" in vsearch(*command, cwd=foreign).error


def test_paths_outside_the_root_are_absolute(vsearch: Vsearch, project: Path, tmp_path: Path) -> None:
    outside = write_files(tmp_path / "outside", {"mill.txt": "The mill."})
    assert vsearch("index", outside, cwd=project).status == 0
    assert vsearch("query", "--json", "mill", cwd=project).json["hits"][0]["path"] == str(outside / "mill.txt")
    assert vsearch("query", "--paths", "mill", cwd=project).out == f"{outside}/mill.txt\n"


def test_a_file_has_one_stored_path_for_all_spellings(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"docs/pump.txt": "The pump.", "other/x": ""})
    for name in ("docs", "./docs/", "docs/pump.txt", "other/../docs", project / "docs"):
        assert vsearch("index", name, cwd=project).status == 0
    answer = vsearch("query", "--json", "pump", cwd=project).json
    assert [hit["path"] for hit in answer["hits"]] == ["docs/pump.txt"]


def test_sources_are_stored_without_dots(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"docs/pump.txt": "The pump.", "other/x": ""})
    for name in ("docs", "./docs/", "other/../docs"):
        assert vsearch("index", name, cwd=project).status == 0
    assert vsearch("status", "--json", cwd=project).json["sources"] == ["docs"]


def test_a_moved_project_can_be_searched_and_updated(vsearch: Vsearch, indexed: Path) -> None:
    moved = indexed.rename(indexed.with_name("moved"))
    assert vsearch("query", "-k", "1", "--paths", "grease", cwd=moved).out == "pump.txt\n"
    result = vsearch("index", "--json", cwd=moved)
    assert (result.json["unchanged"], result.json["embedded"]) == (2, 0)


def test_a_copied_index_can_be_searched(vsearch: Vsearch, library: Path, tmp_path: Path) -> None:
    shutil.copytree(library / ".vsearch", tmp_path / "copy" / ".vsearch")
    result = vsearch("query", "-k", "1", "--paths", "exponential backoff", cwd=tmp_path / "copy")
    assert result.out == "notes/retries.md\n"


def test_a_project_reached_through_a_link_has_the_same_index(vsearch: Vsearch, indexed: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(indexed)
    result = vsearch("index", "--json", ".", cwd=tmp_path / "link")
    assert (result.json["unchanged"], result.json["added"], result.json["removed"]) == (2, 0, 0)


@pytest.mark.parametrize("command", [("query", "pump"), ("status",), ("query", "-")])
def test_no_index_is_an_error_that_says_how_to_make_one(
    vsearch: Vsearch, tmp_path: Path, command: tuple[str, ...]
) -> None:
    error = vsearch(*command, cwd=tmp_path).error
    assert error == "index: there is no .vsearch folder here or above; make one with `vsearch index PATH`"


@pytest.mark.parametrize("command", [("query", "pump"), ("status",)])
@pytest.mark.parametrize("place", ["nowhere", "folder", "file.txt"])
def test_a_missing_index_is_named(vsearch: Vsearch, tmp_path: Path, command: tuple[str, ...], place: str) -> None:
    write_files(tmp_path, {"folder/x": "", "file.txt": ""})
    error = vsearch(*command, "--index", place, cwd=tmp_path).error
    assert place in error
    assert "vsearch index" in error


def test_a_deleted_working_folder_is_an_error(vsearch: Vsearch, tmp_path: Path) -> None:
    import subprocess

    gone = tmp_path / "gone"
    gone.mkdir()
    command = " ".join(f"'{word}'" for word in vsearch.command("query", "pump"))
    done = subprocess.run(
        ["sh", "-c", f"rmdir '{gone}'; {command}"],
        cwd=gone,
        env=dict(vsearch.environment),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b"internal error" not in done.stderr


def test_an_unusable_home_folder_is_an_error(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"a.txt": "The pump."})
    result = vsearch("index", "--model", "~nobody-of-that-name/model", "a.txt", cwd=project)
    assert result.error.startswith("~nobody-of-that-name/model: there is no such home folder; ")
