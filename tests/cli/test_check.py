"""`vsearch check` reports faults, and `vsearch repair` repairs them."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from process import Vsearch


def vectors(project: Path) -> Path:
    (path,) = (project / ".vsearch" / "segments").glob("*/vectors.npy")
    return path


def test_an_intact_index_has_no_faults(vsearch: Vsearch, library: Path) -> None:
    for options in ((), ("--full",)):
        result = vsearch("check", *options, cwd=library)
        assert (result.status, result.err) == (0, "")
        assert result.out.startswith(f"{library}/.vsearch: intact (9 files, ")
    report = vsearch("check", "--full", "--json", cwd=library).json
    assert list(report) == ["schema", "index", "full", "faults", "generation", "files", "chunks", "sound"]
    assert (report["schema"], report["full"], report["faults"], report["sound"]) == ("vsearch.check/1", True, [], True)


def test_checking_changes_nothing(vsearch: Vsearch, indexed: Path) -> None:
    def files() -> dict[Path, bytes]:
        # Reading a catalog makes SQLite create its shared memory and an empty log.
        kept = (path for path in (indexed / ".vsearch").rglob("*") if path.is_file() and not path.name.endswith("-shm"))
        return {path: path.read_bytes() for path in kept if path.read_bytes()}

    before = files()
    vsearch("check", "--full", cwd=indexed)
    assert files() == before


def test_a_catalog_with_an_overwritten_beginning_is_repaired_without_loss(vsearch: Vsearch, indexed: Path) -> None:
    catalog = indexed / ".vsearch" / "catalog.sqlite"
    with catalog.open("r+b") as file:
        file.write(bytes(20_000))
    assert vsearch("query", "pump", cwd=indexed).status == 2
    result = vsearch("repair", cwd=indexed)
    assert (result.status, result.out) == (0, f"{indexed}/.vsearch: catalog rebuilt\n")
    assert result.err.startswith("moved aside: ")
    assert vsearch("check", "--full", cwd=indexed).status == 0
    assert vsearch("index", "--json", cwd=indexed).json["embedded"] == 0


def test_a_repair_reports_losses(vsearch: Vsearch, indexed: Path) -> None:
    catalog = indexed / ".vsearch" / "catalog.sqlite"
    with catalog.open("r+b") as file:
        file.seek(2 * 16384)
        file.write(bytes(3 * 16384))  # settings and sources
    result = vsearch("repair", cwd=indexed)
    assert result.status == 2
    sources, settings, *_ = result.err.splitlines()
    assert sources == (
        f"vsearch: {indexed}/.vsearch: the catalog has lost at least 1 row of its table sources;"
        " name all folders again in one `vsearch index PATH…`, and remove again what you had removed"
    )
    assert settings.startswith(f"vsearch: {indexed}/.vsearch: settings are lost (analyzer, ann, base_url, ")
    assert settings.endswith(" and were restored from the last segment")
    assert vsearch("query", "--paths", "pump", "-k", "1", cwd=indexed).out == "pump.txt\n"


def test_damage_is_reported_and_repaired(vsearch: Vsearch, indexed: Path) -> None:
    path = vectors(indexed)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert vsearch("check", cwd=indexed).status == 0  # only the full check reads vectors
    result = vsearch("check", "--full", cwd=indexed)
    assert result.status == 2
    assert result.lines == [f"{path}: is damaged: 1 of 1 blocks differ"]
    assert result.err == f"vsearch: {indexed}/.vsearch: 1 fault found; repair it with `vsearch repair`\n"
    (fault,) = vsearch("check", "--full", "--json", cwd=indexed).json["faults"]
    assert fault == {"thing": str(path), "reason": "is damaged: 1 of 1 blocks differ"}
    assert "vsearch repair" in vsearch("query", "pump", cwd=indexed).error

    result = vsearch("repair", cwd=indexed)
    assert result.status == 2
    assert "pump.txt: lacks vectors, so only keywords find it; embed it with `vsearch index`" in result.err
    assert "moved aside: " in result.err
    assert (
        result.out
        == f"{indexed}/.vsearch: 1 segment rebuilt, 0 rows recovered, 2 chunks to embed with `vsearch index`\n"
    )
    assert vsearch("check", "--full", cwd=indexed).status == 0
    assert vsearch("index", "--json", cwd=indexed).json["embedded"] == 2
    assert vsearch("query", "--paths", "pump", "-k", "1", cwd=indexed).out == "pump.txt\n"


def test_lost_vectors_are_embedded_on_request(vsearch: Vsearch, indexed: Path) -> None:
    vectors(indexed).unlink()
    result = vsearch("repair", "--re-embed", "--json", cwd=indexed)
    assert result.status == 0, result
    assert (result.json["schema"], result.json["embedded"], result.json["pending"]) == ("vsearch.repair/1", 2, 0)
    assert vsearch("check", "--full", cwd=indexed).status == 0
    assert vsearch("repair", cwd=indexed).out == f"{indexed}/.vsearch: nothing to repair\n"


def test_a_damaged_catalog_is_repaired(vsearch: Vsearch, indexed: Path) -> None:
    with closing(sqlite3.connect(indexed / ".vsearch" / "catalog.sqlite")) as connection, connection:
        connection.execute("UPDATE chunks SET start_line = 77")
    assert "is damaged in the catalog" in vsearch("query", "pump", cwd=indexed).error
    result = vsearch("repair", cwd=indexed)
    assert result.status == 2
    assert "pump.txt: some of its text is lost; read it again with `vsearch index`" in result.err
    assert vsearch("index", cwd=indexed).status == 0
    assert vsearch("query", "--paths", "pump", "-k", "1", cwd=indexed).out == "pump.txt\n"


def test_without_an_index_it_is_an_error(vsearch: Vsearch, project: Path) -> None:
    shutil.rmtree(project / ".vsearch", ignore_errors=True)
    for command in ("check", "repair"):
        assert "make one with `vsearch index PATH`" in vsearch(command, cwd=project).error
