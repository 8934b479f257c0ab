"""Fixtures that tests of several folders share."""

from itertools import count
from pathlib import Path

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
