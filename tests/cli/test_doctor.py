"""`vsearch doctor` prints what a bug report needs, and nothing private."""

from dataclasses import replace
from pathlib import Path

import pytest
from process import Vsearch


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_the_report_has_versions_machine_models_caches_and_index(
    vsearch: Vsearch, library: Path, options: tuple[str, ...]
) -> None:
    secret = replace(vsearch, environment={**vsearch.environment, "GEMINI_API_KEY": "hush", "OPENAI_API_KEY": "hush"})
    result = secret("doctor", *options, cwd=library)
    assert result.status == 0
    for word in ("vsearch", "numpy", "sqlite", "cores", "features", "MiniLM", "compiled kernels", "intact", "chunks"):
        assert word in result.out
    for private in ("hush", "pump", "bread", "grease"):
        assert private not in result.out


def test_without_an_index_the_report_says_so(vsearch: Vsearch, tmp_path: Path) -> None:
    report = vsearch("doctor", "--json", cwd=tmp_path).json
    assert report["schema"] == "vsearch.doctor/1"
    assert "index" in report["index"]["state"]


def test_a_damaged_index_is_reported(vsearch: Vsearch, tmp_path: Path) -> None:
    (tmp_path / ".vsearch").mkdir()
    (tmp_path / ".vsearch/catalog.sqlite").write_bytes(b"SQLite format 3\0" + b"?" * 5000)
    result = vsearch("doctor", cwd=tmp_path)
    assert result.status == 0
    assert "intact" not in result.out
