"""`vsearch remove` and `vsearch compact`, and the lock that they share with `vsearch index`."""

import re
from pathlib import Path

from process import Vsearch, write_files


def found(vsearch: Vsearch, project: Path) -> list[str]:
    return sorted(vsearch("query", "--paths", "--mode", "keyword", "pump", cwd=project).lines)


def test_remove_reports_files_removed_and_paths_kept_out(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"docs/a.txt": "The pump.", "docs/old/b.txt": "A pump.", "docs/old/c.txt": "Pump!"})
    assert vsearch("index", "docs", cwd=project).status == 0
    result = vsearch("remove", "old", cwd=project / "docs")
    assert result.status == 0
    assert re.fullmatch(rf"{project}/\.vsearch: 1 file, 1 chunk \(2 files removed\) in \d+\.\d s\n", result.out)
    assert result.err == "old: stays out of the index until you name it: vsearch index old\n"
    assert vsearch("status", "--json", cwd=project).json["removed"] == ["docs/old"]
    assert vsearch("index", cwd=project).status == 0
    assert found(vsearch, project) == ["docs/a.txt"]
    error = vsearch("remove", "nowhere", cwd=project).error
    assert error == f"{project}/nowhere: is not in the index; see what the index contains with `vsearch status`"
    result = vsearch("remove", "--json", "docs", cwd=project)
    assert (result.json["schema"], result.json["removed"], result.json["files"]) == ("vsearch.remove/1", 1, 0)
    assert result.err == ""


def test_compact_reports_segments_and_rows(vsearch: Vsearch, indexed: Path) -> None:
    (indexed / "pump.txt").write_text("Another pump.\n")
    assert vsearch("index", cwd=indexed).status == 0
    before = vsearch("query", "--json", "pump", cwd=indexed).json
    result = vsearch("compact", "--json", cwd=indexed)
    assert (result.status, result.json["schema"], result.json["rows"]) == (0, "vsearch.compact/1", 2)
    result = vsearch("compact", cwd=indexed)
    words = r"2 chunks \(0 segments merged, 0 deleted rows dropped; [\d.]+ kB before, [\d.]+ kB now\) in \d+\.\d s\n"
    assert re.fullmatch(rf"{indexed}/\.vsearch: {words}", result.out)
    assert vsearch("query", "--json", "pump", cwd=indexed).json["hits"] == before["hits"]
    assert vsearch("status", "--json", cwd=indexed).json["segments"] == 1
