"""An index that is foreign, newer, damaged, read-only, or on a full disk: one line, status 2, and nothing is lost."""

import hashlib
import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from process import CommandResult, Volume, Vsearch, mount, write_files

from vsearch_core.store.catalog import Catalog

GREASE = ("query", "-k", "1", "--paths", "grease")


def catalog(project: Path) -> sqlite3.Connection:
    return sqlite3.connect(project / ".vsearch" / "catalog.sqlite", isolation_level=None)


def put_setting(project: Path, key: str, value: str) -> None:
    """Write a setting as another version would: with a correct checksum."""
    with closing(Catalog.open_to_write(project / ".vsearch")) as writer, writer.transaction():
        writer.put_setting(key, value)


def set_fingerprint(project: Path, **changes: object) -> None:
    with closing(catalog(project)) as connection:
        (text,) = connection.execute("SELECT value FROM settings WHERE key = 'fingerprint'").fetchone()
    put_setting(project, "fingerprint", json.dumps({**json.loads(text), **changes}))


@pytest.mark.parametrize(
    "changes", [{"weights": "0" * 64}, {"model": "somebody/else"}, {"pooling": "cls+l2"}, {"query_prefix": "query: "}]
)
def test_an_index_made_by_another_model_is_refused_by_name(
    vsearch: Vsearch, indexed: Path, changes: dict[str, str]
) -> None:
    set_fingerprint(indexed, **changes)
    (indexed / "new.txt").write_text("A new document.")
    for command in (("query", "pump"), ("query", "--mode", "vector", "pump"), ("index", ".")):
        error = vsearch(*command, cwd=indexed).error
        assert error.startswith(f"{indexed}/.vsearch: its vectors were made by "), error
        assert next(iter(changes)) in error


def test_keywords_need_no_model(vsearch: Vsearch, indexed: Path) -> None:
    set_fingerprint(indexed, weights="0" * 64)
    assert vsearch("query", "--mode", "keyword", "--paths", "grease", cwd=indexed).out == "pump.txt\n"


@pytest.mark.parametrize("setting", ["chunker", "analyzer"])
def test_an_index_made_by_another_chunker_or_analyzer_is_refused(vsearch: Vsearch, indexed: Path, setting: str) -> None:
    put_setting(indexed, setting, "another")
    for command in (("query", "pump"), ("index", "."), ("status",)):
        assert f"made with {setting} another" in vsearch(*command, cwd=indexed).error


@pytest.mark.parametrize("command", [("query", "pump"), ("query", "-"), ("index", "."), ("status",)])
def test_a_newer_format_is_refused_and_left_unchanged(
    vsearch: Vsearch, indexed: Path, command: tuple[str, ...]
) -> None:
    put_setting(indexed, "min_reader", "99")
    with closing(catalog(indexed)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = (indexed / ".vsearch" / "catalog.sqlite").read_bytes()
    error = vsearch(*command, cwd=indexed).error
    assert error.startswith(f"{indexed}/.vsearch: it has format 99, this vsearch ")
    assert error.endswith("; upgrade vsearch (`pip install -U vsearch`)")
    assert (indexed / ".vsearch" / "catalog.sqlite").read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"not a database at all\n" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
@pytest.mark.parametrize("command", [("query", "pump"), ("index", "."), ("status",)])
def test_a_file_that_is_not_a_catalog_is_refused(
    vsearch: Vsearch, indexed: Path, content: bytes, command: tuple[str, ...]
) -> None:
    for path in (indexed / ".vsearch").glob("catalog.sqlite*"):
        path.unlink()
    (indexed / ".vsearch" / "catalog.sqlite").write_bytes(content)
    assert str(indexed / ".vsearch") in vsearch(*command, cwd=indexed).error
    assert (indexed / ".vsearch" / "catalog.sqlite").read_bytes() == content


COMMANDS = (
    *(("index", "."), ("index",), ("remove", "pump.txt"), ("compact",), ("query", "pump"), ("status",)),
    *(("check",), ("check", "--full"), ("repair",), ("export", "it.tar")),
)


@pytest.mark.parametrize("place", ["here", "below", "named"])
def test_an_index_without_its_catalog_is_refused(vsearch: Vsearch, indexed: Path, place: str) -> None:
    """Its segments may hold hours of embedding: no command deletes them or uses another index instead."""
    index, below = indexed / ".vsearch", indexed / "below"
    below.mkdir()
    (below / "pump.txt").write_text("The pump.")
    assert vsearch("index", "--index", indexed.parent / ".vsearch", "pump.txt", cwd=indexed).status == 0
    aside = index / "catalog.sqlite"
    content = aside.read_bytes()
    aside.unlink()
    segments = sorted(path for path in (index / "segments").rglob("*"))
    for command in COMMANDS:
        options = ("--index", index) if place == "named" else ()
        error = vsearch(*command, *options, cwd=below if place == "below" else indexed).error
        assert error == (
            f"{index}: its catalog.sqlite is gone, its segments are still there;"
            " restore that file from a backup, or delete the folder, then index or import again"
        )
    assert sorted(path for path in (index / "segments").rglob("*")) == segments
    aside.write_bytes(content)
    assert vsearch(*GREASE, cwd=indexed).out == "pump.txt\n"


def test_an_import_replaces_an_index_without_a_catalog_on_request(vsearch: Vsearch, indexed: Path) -> None:
    assert vsearch("export", "it.tar", cwd=indexed).status == 0
    (indexed / ".vsearch" / "catalog.sqlite").unlink()
    assert "its catalog.sqlite is gone" in vsearch("import", "it.tar", cwd=indexed).error
    assert vsearch("import", "--replace", "it.tar", cwd=indexed).status == 0
    assert vsearch(*GREASE, cwd=indexed).out == "pump.txt\n"


def test_a_truncated_catalog_is_refused(vsearch: Vsearch, indexed: Path) -> None:
    path = indexed / ".vsearch" / "catalog.sqlite"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for command in (("query", "pump"), ("index", "."), ("status",)):
        assert str(indexed / ".vsearch") in vsearch(*command, cwd=indexed).error


def damage_missing(path: Path) -> None:
    path.unlink()


def damage_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def damage_empty(path: Path) -> None:
    path.write_bytes(b"")


def damage_header(path: Path) -> None:
    path.write_bytes(b"\x93NUMPZ" + path.read_bytes()[6:])


@pytest.mark.parametrize("damage", [damage_missing, damage_short, damage_empty, damage_header])
@pytest.mark.parametrize("name", ["vectors", "postings_rows", "chunk_ids"])
def test_a_damaged_segment_file_is_named(vsearch: Vsearch, indexed: Path, damage: object, name: str) -> None:
    (path,) = (indexed / ".vsearch" / "segments").glob(f"*/{name}.npy")
    assert callable(damage)
    damage(path)
    assert str(path) in vsearch("query", "pump", cwd=indexed).error


def test_a_missing_segments_folder_is_named(vsearch: Vsearch, indexed: Path) -> None:
    shutil.rmtree(indexed / ".vsearch" / "segments")
    assert str(indexed / ".vsearch" / "segments") in vsearch("query", "pump", cwd=indexed).error


def test_a_folder_without_permission_is_named(vsearch: Vsearch, indexed: Path) -> None:
    (indexed / ".vsearch").chmod(0)
    try:
        for command in (("query", "pump"), ("status",), ("index", ".")):
            error = vsearch.without_privileges()(*command, cwd=indexed).error
            assert str(indexed / ".vsearch") in error
            assert "permission" in error.lower()
    finally:
        (indexed / ".vsearch").chmod(0o755)


# A read-only index folder


@pytest.fixture(params=["permissions", "mount"])
def read_only(request: pytest.FixtureRequest, vsearch: Vsearch, indexed: Path) -> Iterator[tuple[Vsearch, Path]]:
    """A project whose index can't be written: by its permissions, or because its file system is mounted read-only."""
    if request.param == "mount":
        script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1"'
        with mount(vsearch, indexed, script) as volume:
            yield volume.vsearch, indexed
        return
    everything = [indexed / ".vsearch", *(indexed / ".vsearch").rglob("*")]
    former = {path: path.stat().st_mode for path in everything}
    for path in everything:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield vsearch.without_privileges(), indexed
    for path, mode in former.items():
        if path.exists():
            path.chmod(mode)


def test_a_read_only_index_can_be_searched(read_only: tuple[Vsearch, Path]) -> None:
    vsearch, project = read_only
    result = vsearch(*GREASE, cwd=project)
    assert (result.status, result.out, result.err) == (0, "pump.txt\n", "")
    assert vsearch("status", cwd=project).status == 0


def test_a_read_only_index_cannot_be_written(read_only: tuple[Vsearch, Path]) -> None:
    vsearch, project = read_only
    error = vsearch("index", ".", cwd=project).error
    assert str(project / ".vsearch") in error
    assert re.search("permission|read-only|readonly", error.lower())


def test_a_new_index_in_a_read_only_folder_is_an_error(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"a.txt": "The pump."})
    project.chmod(0o555)
    try:
        error = vsearch.without_privileges()("index", "a.txt", cwd=project).error
    finally:
        project.chmod(0o755)
    assert "permission denied" in error
    assert str(project) in error


# A full disk

TMPFS = 'mount -t tmpfs -o size={size} tmpfs "$1"'


NAMES = ("anvil", "bellows", "crucible", "dynamo", "easel", "flange")


def grow(volume: Volume, number: int) -> None:
    """Add a document that needs much space but has few tokens: its words do not compress."""
    words = (hashlib.shake_256(f"{number} {word}".encode()).hexdigest(100) for word in range(300))
    write_files(volume.outside / "docs", {f"{number}.txt": f"{NAMES[number]}\n" + " ".join(words)})


def assert_full(result: CommandResult) -> None:
    error = result.error.lower()
    assert re.search("no space left|disk is full|full", error), result
    assert "free some space" in error, result


@pytest.mark.parametrize("size", ["4k", "16k", "64k"])
def test_a_disk_too_small_for_an_index_is_an_error(vsearch: Vsearch, tmp_path: Path, size: str) -> None:
    write_files(tmp_path, {"docs/a.txt": "The pump needs grease. " * 300, "disk/x": ""})
    with mount(vsearch, tmp_path / "disk", TMPFS.format(size=size)) as volume:
        assert_full(volume.vsearch("index", tmp_path / "docs", cwd=tmp_path / "disk"))


@pytest.mark.parametrize("left", [8, 60, 200, 400])
def test_on_a_full_disk_searches_work_and_a_later_run_resumes(vsearch: Vsearch, tmp_path: Path, left: int) -> None:
    at = tmp_path / "disk"
    at.mkdir()
    with mount(vsearch, at, TMPFS.format(size="8m")) as volume:
        run = volume.vsearch
        write_files(volume.outside / "docs", {"pump.txt": "The pump needs grease.\n"})
        assert run("index", "-q", "docs", cwd=at).status == 0
        before = run("query", "--json", "grease", cwd=at).json
        for number in range(len(NAMES)):
            grow(volume, number)
        fill(volume, leave=left * 1024)
        assert_full(run("index", "docs", cwd=at))
        after = run("query", "--json", "grease", cwd=at).json
        assert (after["generation"], after["hits"]) == (before["generation"], before["hits"])
        (volume.outside / "filler").unlink()
        assert run("index", "-q", "docs", cwd=at).status == 0
        status = run("status", "--json", cwd=at).json
        assert (status["files"], status["pending_chunks"]) == (7, 0)
        assert run("query", "--paths", "--mode", "keyword", "flange", cwd=at).out == "docs/5.txt\n"
        named = {path.name for path in (volume.outside / ".vsearch" / "segments").iterdir()}
        assert len(named) == status["segments"]  # what the failed run left is deleted


def fill(volume: Volume, leave: int) -> None:
    """Fill the volume until `leave` bytes are free."""
    usage = shutil.disk_usage(volume.outside)
    (volume.outside / "filler").write_bytes(b"\0" * (usage.free - leave))


def test_a_query_needs_no_free_space(vsearch: Vsearch, tmp_path: Path) -> None:
    at = tmp_path / "disk"
    at.mkdir()
    with mount(vsearch, at, TMPFS.format(size="2m")) as volume:
        write_files(volume.outside / "docs", {"pump.txt": "The pump needs grease.\n"})
        assert volume.vsearch("index", "-q", "docs", cwd=at).status == 0
        fill(volume, leave=0)
        result = volume.vsearch(*GREASE, cwd=at)
        assert (result.status, result.out, result.err) == (0, "docs/pump.txt\n", "")
