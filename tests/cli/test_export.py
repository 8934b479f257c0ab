"""What `vsearch export` does when the world around it changes; what users see of it is in test_archive.py."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from vsearch_cli.export import _to_file, _to_stdout

from vsearch_core.errors import InputError, StorageError
from vsearch_core.index import transfer
from vsearch_core.index.transfer import TransferSummary, export_index


def test_without_a_temporary_folder_it_is_an_error(indexed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(indexed / "nowhere"))
    with pytest.raises(StorageError, match="no such file"):
        _to_stdout(indexed / ".vsearch")


def test_a_file_that_has_come_meanwhile_is_kept(indexed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = indexed / "it.tar"

    def exported(*arguments: Any) -> TransferSummary:
        target.write_text("somebody's own")
        return export_index(*arguments)

    monkeypatch.setattr(transfer, "export_index", exported)
    with pytest.raises(InputError, match="exists already"):
        _to_file(indexed / ".vsearch", target, force=False)
    assert target.read_text() == "somebody's own"
