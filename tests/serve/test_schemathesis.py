"""Requests that schemathesis makes from /openapi.json: the description is true, and no request is too much."""

import subprocess
import sys
from pathlib import Path

import pytest
from process import Vsearch, write_files
from serve_client import running_server

pytest.importorskip("uvicorn")
pytest.importorskip("schemathesis", reason="not part of the extra dev: pip install schemathesis")

# A request may fit the description and yet name a file that isn't there, or be an SQL condition with a mistake. And one
# that doesn't fit may be refused for its size.
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "404", "503"]
[checks.negative_data_rejection]
expected-statuses = ["400", "404", "405", "413", "415", "503"]
"""


@pytest.mark.slow
def test_schemathesis_finds_nothing(vsearch: Vsearch, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "docs", {"a.md": "# Pump\n\nDrain the pump.", "b.txt": "A late fee."})
    assert vsearch("index", ".", cwd=folder).status == 0
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    with running_server(vsearch, folder, tmp_path / "log", "--quiet") as server:
        address = f"http://127.0.0.1:{server.port}/openapi.json"
        options = ("--max-examples", "50", "--seed", "17", "--workers", "1")
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", address, *options],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
