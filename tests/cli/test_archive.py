"""`vsearch export` and `vsearch import`: an index in one file, imported completely or not at all."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from process import DEADLINE, Vsearch, assert_well_behaved, wait_for, write_files

SUMMARY_KEYS = ["schema", "index", "generation", "files", "chunks", "segments", "bytes", "seconds", "archive"]


@pytest.fixture(scope="module")
def archive(vsearch: Vsearch, library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the library's index in a file, which tests must not change."""
    path = tmp_path_factory.mktemp("archives") / "library.tar"
    result = vsearch("export", path, cwd=library)
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith(f"{path}: generation 1: 9 files, ")
    assert list(path.parent.iterdir()) == [path]
    return path


def test_an_imported_index_can_be_searched_without_the_documents(
    vsearch: Vsearch, library: Path, archive: Path, project: Path
) -> None:
    result = vsearch("import", archive, cwd=project)
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith(f"{project}/.vsearch: generation 1: 9 files, ")
    for arguments in (("pump in winter",), ("--mode", "keyword", "2026.4.10"), ("--ext", "py", "borrower")):
        here, there = (vsearch("query", "--json", *arguments, cwd=where).json for where in (project, library))
        assert here["hits"] == there["hits"] != []
    assert vsearch("check", "--full", cwd=project).status == 0
    status = vsearch("status", "--json", cwd=project).json
    assert (status["files"], status["sources"], status["pending_files"]) == (9, [], 0)


def test_a_run_without_the_documents_keeps_the_imported_files(vsearch: Vsearch, archive: Path, project: Path) -> None:
    assert vsearch("import", archive, cwd=project).status == 0
    write_files(project, {"new/mill.txt": "The mill."})
    for arguments in ((), ("new",)):
        result = vsearch("index", "--json", *arguments, cwd=project)
        assert (result.status, result.json["removed"]) == (0, 0)
    assert vsearch("status", "--json", cwd=project).json["files"] == 10


def test_the_summaries_have_the_keys_of_the_contract(vsearch: Vsearch, indexed: Path, tmp_path: Path) -> None:
    out = vsearch("export", "--json", "it.tar", cwd=indexed).json
    assert list(out) == SUMMARY_KEYS
    assert (out["schema"], out["archive"], out["index"]) == (
        *("vsearch.export/1", str(indexed / "it.tar")),
        str(indexed / ".vsearch"),
    )
    back = vsearch("import", "--json", "--index", tmp_path / "other", "it.tar", cwd=indexed).json
    assert list(back) == SUMMARY_KEYS
    assert (back["schema"], back["index"]) == ("vsearch.import/1", str(tmp_path / "other"))
    assert {**back, "schema": "", "index": "", "seconds": 0} == {**out, "schema": "", "index": "", "seconds": 0}


def test_an_archive_can_be_piped(vsearch: Vsearch, library: Path, archive: Path, project: Path) -> None:
    result = vsearch("export", "-", cwd=library)
    assert (result.status, result.err) == (0, "")
    assert result.stdout == archive.read_bytes()
    assert vsearch("import", "-", cwd=project, stdin=result.stdout).status == 0
    assert vsearch("query", "-k", "1", "--paths", "exponential backoff", cwd=project).out == "notes/retries.md\n"


def test_an_archive_that_tar_unpacks_is_an_index(vsearch: Vsearch, archive: Path, project: Path) -> None:
    subprocess.run(["tar", "-xf", archive, "-C", project], check=True, timeout=DEADLINE)
    result = vsearch("query", "--index", ".", "-k", "1", "--json", "exponential backoff", cwd=project)
    assert result.json["hits"][0]["path"] == "notes/retries.md"


def test_a_file_is_replaced_only_on_request(vsearch: Vsearch, indexed: Path) -> None:
    write_files(indexed, {"it.tar": "somebody's own"})
    assert vsearch("export", "it.tar", cwd=indexed).error == (
        f"{indexed}/it.tar: exists already; name another file, or replace it with --force"
    )
    assert (indexed / "it.tar").read_text() == "somebody's own"
    assert vsearch("export", "--force", "it.tar", cwd=indexed).status == 0
    assert (indexed / "it.tar").stat().st_size > 10_000


def test_an_archive_has_the_permissions_of_any_new_file(vsearch: Vsearch, indexed: Path) -> None:
    mask = os.umask(0o027)
    try:
        assert vsearch("export", "it.tar", cwd=indexed).status == 0
    finally:
        os.umask(mask)
    assert (indexed / "it.tar").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("target", "reason"),
    [("docs", "is a folder"), ("nowhere/it.tar", "there is no such folder")],
)
def test_a_target_that_cannot_be_written_is_named(vsearch: Vsearch, indexed: Path, target: str, reason: str) -> None:
    (indexed / "docs").mkdir()
    assert reason in vsearch("export", "--force", target, cwd=indexed).error


@pytest.mark.parametrize("arguments", [("export", "--force"), ("import", "--replace")])
def test_an_impossible_name_is_an_error(vsearch: Vsearch, indexed: Path, arguments: tuple[str, ...]) -> None:
    assert "too long" in vsearch(*arguments, "a" * 256, cwd=indexed).error
    assert "no such home folder" in vsearch(*arguments, "~nobody-of-that-name/it.tar", cwd=indexed).error


def test_the_longest_name_can_be_exported_to(vsearch: Vsearch, indexed: Path) -> None:
    assert vsearch("export", "a" * 255, cwd=indexed).status == 0
    assert (indexed / ("a" * 255)).is_file()


def test_an_export_replaces_only_files_outside_the_index(vsearch: Vsearch, indexed: Path) -> None:
    os.mkfifo(indexed / "pipe")
    assert "not a regular file" in vsearch("export", "--force", "pipe", cwd=indexed).error
    assert (indexed / "pipe").is_fifo()
    assert "is inside the index folder" in vsearch("export", "--force", ".vsearch/catalog.sqlite", cwd=indexed).error
    assert vsearch("check", "--full", cwd=indexed).status == 0


def test_folders_without_permission_are_named(vsearch: Vsearch, indexed: Path) -> None:
    (indexed / "closed" / "inner").mkdir(parents=True)
    vsearch("export", "it.tar", cwd=indexed)
    (indexed / "closed").chmod(0)
    unprivileged = vsearch.without_privileges()
    for arguments in (("export", "closed/inner/it.tar"), ("import", "--index", "closed/inner", "it.tar")):
        error = unprivileged(*arguments, cwd=indexed).error
        assert error.startswith(f"{indexed}/closed/inner")
        assert "permission denied" in error
    (indexed / "closed").chmod(0o700)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupted_export_leaves_no_file(
    vsearch: Vsearch, indexed: Path, tmp_path: Path, number: signal.Signals
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = vsearch.start("export", "-", cwd=indexed, env={**vsearch.environment, "TMPDIR": str(scratch)})
    assert process.stdout is not None
    assert process.stdout.read(512)  # the export now waits: a pipe holds less than the archive
    process.send_signal(number)
    result = assert_well_behaved(wait_for(process))
    assert (result.status, result.err) == (130, "vsearch: interrupted\n")
    assert list(scratch.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(vsearch: Vsearch, indexed: Path) -> None:
    (indexed / "docs").mkdir(mode=0o500)
    error = vsearch.without_privileges()("export", "docs/it.tar", cwd=indexed).error
    assert str(indexed / "docs") in error
    assert "permission denied" in error


def test_stdout_has_only_the_archive(vsearch: Vsearch, indexed: Path) -> None:
    assert "writes binary data to stdout" in vsearch("export", "-", "--json", cwd=indexed).error


def test_a_closed_pipe_is_silent(vsearch: Vsearch, indexed: Path) -> None:
    process = vsearch.start("export", "-", cwd=indexed)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(DEADLINE) == 0
    process.stderr.close()


def test_without_an_index_there_is_nothing_to_export(vsearch: Vsearch, project: Path) -> None:
    assert "make one with `vsearch index PATH`" in vsearch("export", "it.tar", cwd=project).error
    assert list(project.iterdir()) == []


def test_an_index_is_replaced_only_on_request(vsearch: Vsearch, indexed: Path, archive: Path) -> None:
    assert vsearch("import", archive, cwd=indexed).error == (
        f"{indexed}/.vsearch: there is an index here already; replace it with --replace, or choose another --index"
    )
    assert vsearch("status", "--json", cwd=indexed).json["files"] == 2
    result = vsearch("import", "--replace", "--json", archive, cwd=indexed)
    assert (result.status, result.json["generation"], result.json["files"]) == (0, 2, 9)
    status = vsearch("status", "--json", cwd=indexed).json
    assert (status["files"], status["generation"], status["sources"]) == (9, 2, ["."])


@pytest.mark.parametrize("content", [b"", b"a text\n" * 1000])
def test_a_file_that_is_not_an_archive_is_refused(vsearch: Vsearch, project: Path, content: bytes) -> None:
    write_files(project, {"it.tar": content})
    assert str(project / "it.tar") in vsearch("import", "it.tar", cwd=project).error
    assert [path.name for path in project.iterdir()] == ["it.tar"]


def test_a_damaged_archive_is_refused_and_the_index_stays(vsearch: Vsearch, indexed: Path, archive: Path) -> None:
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    write_files(indexed, {"flipped.tar": bytes(data), "short.tar": archive.read_bytes()[:-2000]})
    for name in ("flipped.tar", "short.tar"):
        error = vsearch("import", "--replace", name, cwd=indexed).error
        assert error.startswith(f"{indexed}/{name}: ")
        assert "damaged" in error
    assert vsearch("query", "--mode", "keyword", "--paths", "grease", cwd=indexed).out == "pump.txt\n"


@pytest.mark.parametrize("name", ["missing.tar", "docs"])
def test_a_file_that_cannot_be_read_is_named(vsearch: Vsearch, project: Path, name: str) -> None:
    (project / "docs").mkdir()
    assert vsearch("import", name, cwd=project).error.startswith(f"{project}/{name}: ")
