"""Vectors that projects share: the same as embedding gives, bounded, and no trouble whatever happens to the file."""

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


def embedded(
    texts: list[str], spec: EmbedderSpec = SPEC, by: WordEmbedder | None = None, limit: int = config.SHARED_BYTES
) -> list[str]:
    """Return the texts that reached the embedder itself; all vectors must be those that it makes."""
    by = by or WordEmbedder()
    found = embed_all(sharing(lambda _: by, limit=limit)(spec), texts)
    asked = list(by.embedded)
    assert np.array_equal(to_fixed(found), to_fixed(by.embed_queries(texts)))
    return asked


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


def test_known_and_new_texts_come_to_their_places() -> None:
    assert embedded(TEXTS[:30]) == TEXTS[:30]
    assert embedded([*TEXTS[20:40], *TEXTS[:3], "", "\ud800"]) == [*TEXTS[30:40], "", "\ud800"]
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
def test_embedders_share_with_their_like_only(spec: EmbedderSpec, changes: dict[str, Any]) -> None:
    assert embedded(TEXTS) == TEXTS
    other = WordEmbedder()
    other.fingerprint = replace(other.fingerprint, **changes)
    assert embedded(TEXTS, spec, other) == TEXTS


@pytest.mark.parametrize("damage", ["text", "cut", "foreign", "folder", "row"])
def test_a_damaged_file_is_made_anew(cache: Path, damage: str) -> None:
    embedded(TEXTS)
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
    first = embedded(TEXTS)
    assert first == (TEXTS[3:4] if damage == "row" else TEXTS)
    embedded(TEXTS)
    assert embedded(TEXTS) == (TEXTS if damage == "folder" else [])


def test_a_folder_that_cannot_be_made_stops_nobody(cache: Path) -> None:
    cache.parent.write_text("in the way")
    assert embedded(TEXTS) == TEXTS


def test_it_stays_small(cache: Path) -> None:
    limit = 100_000
    for start in range(0, 2000, 50):
        embedded([f"text {number}" for number in range(start, start + 50)], limit=limit)
    assert cache.stat().st_size < 1.5 * limit
    assert embedded([f"text {number}" for number in range(1990, 2000)], limit=limit) == []
    assert embedded(["text 0"], limit=limit) == ["text 0"]


def test_many_write_at_once() -> None:
    failed: list[BaseException] = []

    def work(start: int) -> None:
        try:
            for _ in range(5):
                embedded(TEXTS[start:] + TEXTS[:start])
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(start,)) for start in range(0, 40, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert embedded(TEXTS) == []


def test_a_plain_index_shares_nothing(tmp_path: Path, cache: Path, embedder: WordEmbedder) -> None:
    (tmp_path / "a.txt").write_text("The pump.")
    make_index(tmp_path, embedder, Path("a.txt"), options=IndexOptions())
    assert not cache.exists()
