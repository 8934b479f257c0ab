from collections.abc import Iterator
from pathlib import Path

import pytest
from process import write_files
from support import WordEmbedder

import vsearch_core as vsearch

NOTES = {
    "fees.md": "# Fees\n\nA late fee is charged after thirty days.\n",
    "pump.md": "# Pump\n\nThe pump is primed by hand.\n\nIts valve must be closed.\n",
    "bread.txt": "Bread needs flour, water, salt and time.\n",
}


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return write_files(tmp_path / "notes", NOTES)


@pytest.fixture
def index(notes: Path, embedder: WordEmbedder) -> Iterator[vsearch.Index]:
    with vsearch.open_index(notes, create=True, open_embedder=lambda _spec: embedder) as opened:
        opened.update([notes])
        yield opened
