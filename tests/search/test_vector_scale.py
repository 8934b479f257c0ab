"""Confidence for models that aren't calibrated: the scale of their scores is measured on the index, without labels."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from process import write_files
from support import NarrowEmbedder, WordEmbedder

import vsearch_core as vsearch
from vsearch_core.embed.base import Batch
from vsearch_core.embed.model_files import DEFAULT_WEIGHTS
from vsearch_core.errors import IndexCorruptError, ModelError
from vsearch_core.index.settings import VECTOR_SCALE
from vsearch_core.search.vector_scale import NEIGHBOURS, REFERENCES, SENTENCES, MeasuredScale
from vsearch_core.store.catalog import Catalog

SYLLABLES = ["ba", "ke", "li", "mo", "nu", "ra", "si", "to", "ve", "zu"]
WORDS = ["".join(parts) for parts in product(SYLLABLES, repeat=3)]


def sentence(number: int) -> str:
    """Return twelve made-up words."""
    return " ".join(np.random.default_rng(number).choice(WORDS, 12).tolist())


def texts(count: int) -> dict[str, str]:
    return {f"docs/{number}.txt": f"{sentence(number)}." for number in range(count)}


class QueriesFail(WordEmbedder):
    """A model that embeds documents, but no queries."""

    def embed_documents(self, texts):  # type: ignore[no-untyped-def]
        yield from WordEmbedder().embed_documents(texts)

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        raise ModelError("model", "is away")


def open_with(root: Path, embedder: WordEmbedder) -> vsearch.Index:
    return vsearch.open_index(root, create=True, open_embedder=lambda _: embedder, consent=lambda *_: True)


def indexed(root: Path, embedder: WordEmbedder, count: int = 40) -> vsearch.Index:
    write_files(root, texts(count))
    index = open_with(root, embedder)
    index.update([root / "docs"])
    return index


def setting(root: Path) -> str:
    with closing(Catalog.open_to_read(root / ".vsearch")) as catalog:
        return catalog.settings().get(VECTOR_SCALE, "")


class RemoteWords(WordEmbedder):
    """A model on a server, which counts the queries that it is asked for."""

    def __init__(self, provider: str = "openai") -> None:
        super().__init__(dimension=256)
        self.fingerprint = replace(self.fingerprint, provider=provider)
        self.queries = 0

    def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        yield from WordEmbedder(dimension=256).embed_documents(texts)

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.queries += len(texts)
        return super().embed_queries(texts)


def answer_and_noise(index: vsearch.Index) -> tuple[vsearch.Results, vsearch.Results]:
    return index.search(" ".join(sentence(12).split()[:8])), index.search("violins of seventeenth century cremona")


def assert_told_apart(found: vsearch.Results, noise: vsearch.Results) -> None:
    assert (found.answered, noise.answered) == (True, False)
    assert found.hits[0].path == "docs/12.txt"
    assert (found.hits[0].confidence or 0) > 0.4
    assert all((hit.confidence or 0) < 0.2 for hit in noise.hits)


@pytest.mark.parametrize(
    "embedder",
    [WordEmbedder(), NarrowEmbedder(), RemoteWords(), RemoteWords("gemini")],
    ids=["wide", "narrow", "remote", "remote, with tasks"],
)
def test_any_model_tells_an_answer_from_noise(tmp_path: Path, embedder: WordEmbedder) -> None:
    with indexed(tmp_path, embedder) as index:
        assert_told_apart(*answer_and_noise(index))


@pytest.mark.parametrize("embedder", [WordEmbedder(), RemoteWords()], ids=["local", "remote"])
def test_keywords_decide_in_an_index_too_small_to_measure(tmp_path: Path, embedder: WordEmbedder) -> None:
    with indexed(tmp_path, embedder, count=14) as index:
        assert setting(tmp_path) == ""
        assert_told_apart(*answer_and_noise(index))


def test_a_remote_model_embeds_nothing_to_measure_its_scale(tmp_path: Path) -> None:
    embedder = RemoteWords()
    with indexed(tmp_path, embedder):
        measured = json.loads(setting(tmp_path))
    assert embedder.queries == 0
    assert measured["method"] == NEIGHBOURS
    assert measured["low"] < measured["high"] < 1  # the nearest chunk of another file, not the chunk itself


def test_nothing_is_measured_on_chunks_if_a_server_embeds_queries_in_another_way(tmp_path: Path) -> None:
    with indexed(tmp_path, RemoteWords("gemini")):
        assert setting(tmp_path) == ""


@pytest.mark.parametrize("method", [SENTENCES, NEIGHBOURS])
def test_the_marks_of_an_index_are_mapped_onto_those_of_the_default_model(method: str) -> None:
    high, low = REFERENCES[method]
    scale = MeasuredScale(high=0.95, low=0.75, chunks=9, method=method).scale
    assert scale is not None
    assert scale.slope * 0.95 + scale.offset == pytest.approx(high)
    assert scale.slope * 0.75 + scale.offset == pytest.approx(low)
    assert MeasuredScale(high=0.76, low=0.75, chunks=9, method=method).scale is None


def test_marks_of_an_earlier_version_are_measured_again(tmp_path: Path) -> None:
    with indexed(tmp_path, WordEmbedder()) as index:
        with closing(Catalog.open_to_write(tmp_path / ".vsearch")) as catalog, catalog.transaction():
            catalog.put_setting(VECTOR_SCALE, '{"known_items": 0.6, "chunk_pairs": 0.1, "chunks": 40}')
        index.refresh()
        assert_told_apart(*answer_and_noise(index))  # by keywords
        write_files(tmp_path, texts(41))
        index.update()
        assert json.loads(setting(tmp_path))["method"] == SENTENCES


def test_the_scale_is_measured_again_when_the_index_has_changed_much(tmp_path: Path) -> None:
    with indexed(tmp_path, WordEmbedder()) as index:
        first = setting(tmp_path)
        assert json.loads(first)["chunks"] == 40
        write_files(tmp_path, texts(45))
        index.update()
        assert setting(tmp_path) == first
        write_files(tmp_path, texts(80))
        index.update()
        assert json.loads(setting(tmp_path))["chunks"] == 80


def test_no_scale_is_measured_where_it_would_say_nothing(tmp_path: Path) -> None:
    default = WordEmbedder()
    default.fingerprint = replace(default.fingerprint, weights=DEFAULT_WEIGHTS)
    for name, embedder, count in (("few", WordEmbedder(), 12), ("default", default, 40), ("away", QueriesFail(), 40)):
        with indexed(tmp_path / name, embedder, count):
            assert setting(tmp_path / name) == ""


def test_a_new_model_gets_a_scale_of_its_own(tmp_path: Path) -> None:
    indexed(tmp_path, WordEmbedder()).close()
    first = json.loads(setting(tmp_path))
    with open_with(tmp_path, NarrowEmbedder("narrow")) as index:
        index.re_embed()
    second = json.loads(setting(tmp_path))
    assert first["low"] < 0.5 < second["low"]


@pytest.mark.parametrize(
    "damaged",
    [
        "{",
        "[]",
        '{"high": 1}',
        *(f'{{"high": {x}, "low": 0, "chunks": 3, "method": "sentences"}}' for x in ("9", '"a"')),
        '{"high": 1, "low": 0, "chunks": 3, "method": "tea leaves"}',
    ],
)
def test_a_damaged_scale_is_named(tmp_path: Path, damaged: str) -> None:
    with indexed(tmp_path, WordEmbedder()) as index:
        with closing(Catalog.open_to_write(tmp_path / ".vsearch")) as catalog, catalog.transaction():
            catalog.put_setting(VECTOR_SCALE, damaged)
        index.refresh()
    with (
        open_with(tmp_path, WordEmbedder()) as index,
        pytest.raises(IndexCorruptError, match="the stored scale of its vector scores is damaged"),
    ):
        index.search("bakeli")
