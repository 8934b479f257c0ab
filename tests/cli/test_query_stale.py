"""Hits say if their file has changed or is gone since it was indexed."""

import os
from pathlib import Path

import pytest
from process import Vsearch, write_files


@pytest.fixture
def seals(vsearch: Vsearch, tmp_path: Path) -> Path:
    write_files(
        tmp_path, {"a.md": "the walrus in the bath", "b.md": "the walrus on the ice", "sub/c.md": "a walrus cub"}
    )
    assert vsearch("index", ".", "-q", cwd=tmp_path).status == 0
    return tmp_path


def staleness(vsearch: Vsearch, folder: Path, *command: str) -> dict[str, str | None]:
    return {hit["path"]: hit["stale"] for hit in vsearch(*command, "--json", cwd=folder).json["hits"]}


@pytest.mark.parametrize("command", [("query", "walrus"), ("similar", "b.md")])
def test_gone_and_changed_files_are_marked(vsearch: Vsearch, seals: Path, command: tuple[str, ...]) -> None:
    assert set(staleness(vsearch, seals, *command).values()) == {None}
    (seals / "a.md").unlink()
    (seals / "sub/c.md").write_text("a walrus calf")
    os.utime(seals / "sub/c.md", (1_577_880_000, 1_577_880_000))
    found = staleness(vsearch, seals, *command)
    assert (found["a.md"], found["sub/c.md"]) == ("gone", "changed")
    assert found.get("b.md") is None
    shown = vsearch(*command, cwd=seals)
    assert "gone: the file no longer exists" in shown.out
    assert "changed since it was indexed" in shown.out
    assert "2 files are not as indexed" in shown.err
    assert "1 file is not as indexed" in vsearch("query", "bath", "-k", "1", "--paths", cwd=seals).err
    assert vsearch("index", "-q", cwd=seals).status == 0
    assert staleness(vsearch, seals, *command).get("sub/c.md") is None


def test_a_deleted_folder_and_a_file_replaced_by_a_folder_are_gone(vsearch: Vsearch, seals: Path) -> None:
    (seals / "sub/c.md").unlink()
    (seals / "sub").rmdir()
    (seals / "a.md").unlink()
    (seals / "a.md").mkdir()
    found = staleness(vsearch, seals, "query", "walrus")
    assert found == {"a.md": "gone", "b.md": None, "sub/c.md": "gone"}


def test_an_imported_index_says_nothing_of_files_on_another_machine(
    vsearch: Vsearch, seals: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    archive, elsewhere = tmp_path / "x.tar", tmp_path_factory.mktemp("elsewhere")
    assert vsearch("export", str(archive), cwd=seals).status == 0
    assert vsearch("import", str(archive), cwd=elsewhere).status == 0
    assert set(staleness(vsearch, elsewhere, "query", "walrus").values()) == {None}
