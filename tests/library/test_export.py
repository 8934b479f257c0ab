"""`Index.export` when the world around it changes."""

import tempfile
from pathlib import Path
from typing import Any

import pytest

import vsearch_core as vsearch
from vsearch_core.index import transfer
from vsearch_core.index.transfer import export_index


def test_without_a_temporary_folder_it_is_an_error(
    index: vsearch.Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(vsearch.StorageError, match="no such file"):
        index.export(lambda _: None)


def test_a_file_made_meanwhile_is_kept(index: vsearch.Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "it.tar"

    def exported(*arguments: Any) -> vsearch.TransferSummary:
        target.write_text("somebody's own")
        return export_index(*arguments)

    monkeypatch.setattr(transfer, "export_index", exported)
    with pytest.raises(vsearch.InputError, match="exists already"):
        index.export(target)
    assert target.read_text() == "somebody's own"
