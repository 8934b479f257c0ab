"""Vectors that projects share: they equal newly embedded ones, their file is bounded, and its damage does no harm."""

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import WordEmbedder, make_index

from vsearch_core import config
from vsearch_core.ann.flat import to_fixed
from vsearch_core.embed.base import embed_all
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.sharing import SHARED_FILE, sharing
from vsearch_core.model import EmbedderSpec

TEXTS = [f"word{number} and word{number % 7}" for number in range(50)]
SPEC = EmbedderSpec("local", "words")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("vsearch_core.config.default_cache_dir", lambda: tmp_path / "cache")
    return tmp_path / "cache" / SHARED_FILE


def embed_shared(
    texts: list[str], spec: EmbedderSpec = SPEC, by: WordEmbedder | None = None, limit: int = config.SHARED_BYTES
) -> list[str]:
    """Embed texts with sharing, check their vectors, and return the texts that the embedder itself had to embed."""
    by = by or WordEmbedder()
    found = embed_all(sharing(lambda _: by, limit=limit)(spec), texts)
    new_texts = list(by.embedded)
    assert np.array_equal(to_fixed(found), to_fixed(by.embed_queries(texts)))
    return new_texts


def test_a_text_is_embedded_for_all_projects_at_once(tmp_path: Path, cache: Path) -> None:
    for project in ("one", "two"):
        (tmp_path / project).mkdir()
        (tmp_path / project / "a.txt").write_text("The pump needs grease.")
    first, second = WordEmbedder(), WordEmbedder()
    for project, embedder in (("one", first), ("two", second)):
        shared = partial(lambda own, _spec: own, embedder)
        make_index(tmp_path / project, sharing(shared)(SPEC), Path("a.txt"))
    assert (len(first.embedded), len(second.embedded)) == (1, 0)
    assert cache.stat().st_mode & 0o777 == 0o600


def test_stored_and_new_vectors_are_returned_in_order() -> None:
    assert embed_shared(TEXTS[:30]) == TEXTS[:30]
    assert embed_shared([*TEXTS[20:40], *TEXTS[:3], "", "\ud800"]) == [*TEXTS[30:40], "", "\ud800"]
    assert list(sharing(lambda _: WordEmbedder())(SPEC).embed_documents([])) == []


@pytest.mark.parametrize(
    ("spec", "changes"),
    [
        (replace(SPEC, base_url="http://elsewhere"), {}),
        (SPEC, {"weights": "newer"}),
        (SPEC, {"document_prefix": "passage: "}),
        (SPEC, {"provider": "other"}),
    ],
)
def test_only_embedders_with_equal_fingerprints_share(spec: EmbedderSpec, changes: dict[str, Any]) -> None:
    assert embed_shared(TEXTS) == TEXTS
    other = WordEmbedder()
    other.fingerprint = replace(other.fingerprint, **changes)
    assert embed_shared(TEXTS, spec, other) == TEXTS


@pytest.mark.parametrize("damage", ["text", "cut", "foreign", "folder", "row"])
def test_a_damaged_file_is_replaced(cache: Path, damage: str) -> None:
    embed_shared(TEXTS)
    if damage == "text":
        cache.write_text("text " * 999)
    elif damage == "cut":
        cache.write_bytes(cache.read_bytes()[:5000])
    elif damage == "foreign":
        cache.unlink()
        with closing(sqlite3.connect(cache)) as connection:
            connection.execute("CREATE TABLE vectors (other)")
    elif damage == "folder":
        cache.unlink()
        cache.mkdir()
    else:
        data = cache.read_bytes()
        vector = to_fixed(WordEmbedder().embed_queries(TEXTS[3:4])).tobytes()
        assert vector in data
        cache.write_bytes(data.replace(vector, vector[::-1]))
    first = embed_shared(TEXTS)
    assert first == (TEXTS[3:4] if damage == "row" else TEXTS)
    embed_shared(TEXTS)
    assert embed_shared(TEXTS) == (TEXTS if damage == "folder" else [])


def test_without_a_writable_folder_embedding_works(cache: Path) -> None:
    cache.parent.write_text("in the way")
    assert embed_shared(TEXTS) == TEXTS


def test_the_size_of_the_file_is_limited(cache: Path) -> None:
    limit = 100_000
    for start in range(0, 2000, 50):
        embed_shared([f"text {number}" for number in range(start, start + 50)], limit=limit)
    assert cache.stat().st_size < 1.5 * limit
    assert embed_shared([f"text {number}" for number in range(1990, 2000)], limit=limit) == []
    assert embed_shared(["text 0"], limit=limit) == ["text 0"]


def test_concurrent_writers_work() -> None:
    failed: list[BaseException] = []

    def work(start: int) -> None:
        try:
            for _ in range(5):
                embed_shared(TEXTS[start:] + TEXTS[:start])
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(start,)) for start in range(0, 40, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert embed_shared(TEXTS) == []


def test_an_index_shares_nothing_by_default(tmp_path: Path, cache: Path, embedder: WordEmbedder) -> None:
    (tmp_path / "a.txt").write_text("The pump.")
    make_index(tmp_path, embedder, Path("a.txt"), options=IndexOptions())
    assert not cache.exists()
