"""Fixtures that tests of several folders share."""

import pytest
from support import WordEmbedder


@pytest.fixture
def embedder() -> WordEmbedder:
    """Return a small embedder for which texts that share words have similar vectors."""
    return WordEmbedder()
