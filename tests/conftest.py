"""Fixtures that tests of several folders share."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from process import Vsearch, prepare_vsearch
from support import WordEmbedder

_NUMBERS = count()


@pytest.fixture
def embedder() -> WordEmbedder:
    """Return a small embedder for which texts that share words have similar vectors."""
    return WordEmbedder()


@pytest.fixture(scope="session")
def vsearch(tmp_path_factory: pytest.TempPathFactory) -> Vsearch:
    """Return the installed command, with its own home and caches, and the default model prepared."""
    return prepare_vsearch(tmp_path_factory.getbasetemp() / "vsearch")


@pytest.fixture(autouse=True)
def state_dir(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep what tests allow out of the developer's own state folder; each test begins with nothing allowed."""
    folder = tmp_path_factory.getbasetemp() / "state" / str(next(_NUMBERS))
    monkeypatch.setattr("vsearch_core.config.default_state_dir", lambda: folder)
    return folder


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """An empty folder whose path is short enough for Unix sockets below it (107 bytes)."""
    with TemporaryDirectory(prefix="vs-") as folder:
        yield Path(folder)
