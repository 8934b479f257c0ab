"""Fixtures for the tests of readers."""

from typing import Any

import pytest

from vsearch_core.text.extract import recognition
from vsearch_core.text.extract.recognition import RecognisedLine


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Let every picture have the word EXIT, and collect the sizes of the pictures that are looked at."""
    sizes: list[tuple[int, int]] = []

    def recognise(image: Any) -> list[RecognisedLine]:
        sizes.append(image.size)
        return [RecognisedLine("EXIT", 0.25, 0.5, 0.5, 0.6)]

    monkeypatch.setattr(recognition, "recognise", recognise)
    monkeypatch.setattr(recognition, "is_installed", lambda: True)
    return sizes
