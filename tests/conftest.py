"""Fixtures that several rooms share."""

import pytest
from support import WordEmbedder


@pytest.fixture
def embedder() -> WordEmbedder:
    """A model of a few lines: texts that share words are near."""
    return WordEmbedder()
