"""The contract of embedders. A new one inherits `EmbedderContract` and supplies the `embedder` fixture."""

import numpy as np
import pytest

from vsearch_core.embed.base import Embedder, embed_all

TEXTS = [
    "The pump is primed before the first run of the season.",
    "",
    "word",
    "全文検索は日本語でも動く。",
    "🦜 parrots 🌴",
    "Retries back off exponentially, with jitter, and give up after six attempts.",
    "def parse(line: str) -> tuple[int, int]: ...",
    "La biblioteca abre a las nueve y cierra a las veinte.",
    "2026.4.10",
]
ODD = [
    "",
    " \t\n\r ",
    "\x00",
    "before\x00after",
    "\x1b[31mred\x1b[0m \x07 \u202e",
    "\ud800 a lone high surrogate",
    "a lone low one \udfff",
    "a pair in two halves: \ud83d\ude00",
    "\ufffd\uffff\ufeff",
    "e\u0301" * 50,
    "a" * 5_000,
    "[CLS] [SEP] [PAD] [MASK]",
    "<s> </s> <pad> <unk>",
    "全文検索は日本語でも動く。" * 200,
    "👩\u200d👩\u200d👧\u200d👦 🏳️\u200d🌈" * 100,
]
LONG = " ".join(f"clause{number} of the contract binds both sides" for number in range(700))


class EmbedderContract:
    """`tolerance`: how far (largest absolute difference) vectors of one text may lie apart between calls."""

    tolerance = 1e-6

    @pytest.fixture
    def embedder(self) -> Embedder:
        raise NotImplementedError

    def test_shapes_types_and_unit_length(self, embedder: Embedder) -> None:
        dimension = embedder.fingerprint.dimension
        for vectors in (embed_all(embedder, TEXTS), embedder.embed_queries(TEXTS)):
            assert vectors.shape == (len(TEXTS), dimension)
            assert vectors.dtype == np.float32
            assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)

    def test_each_index_comes_exactly_once(self, embedder: Embedder) -> None:
        batches = list(embedder.embed_documents([*TEXTS, LONG, *TEXTS]))
        for batch in batches:
            assert batch.indices.dtype == np.int64
            assert batch.vectors.shape == (len(batch.indices), embedder.fingerprint.dimension)
            assert batch.vectors.dtype == np.float32
        assert sorted(np.concatenate([batch.indices for batch in batches])) == list(range(2 * len(TEXTS) + 1))

    def test_neighbours_and_order_do_not_matter(self, embedder: Embedder) -> None:
        together = embed_all(embedder, [*TEXTS, LONG])
        backwards = embed_all(embedder, [LONG, *reversed(TEXTS)])[::-1]
        alone = np.concatenate([embed_all(embedder, [text]) for text in [*TEXTS, LONG]])
        assert np.abs(together - backwards).max() <= self.tolerance
        assert np.abs(together - alone).max() <= self.tolerance

    def test_the_same_text_gives_the_same_vector(self, embedder: Embedder) -> None:
        vectors = embed_all(embedder, ["twice", "other", "twice"])
        assert np.abs(vectors[0] - vectors[2]).max() <= self.tolerance
        queries = embedder.embed_queries(TEXTS)
        assert np.abs(queries - embedder.embed_queries(TEXTS)).max() <= self.tolerance

    def test_no_text_is_cut(self, embedder: Embedder) -> None:
        changed = LONG + " and the very last words are about volcanoes in Iceland"
        long, longer = embed_all(embedder, [LONG, changed])
        assert np.abs(long - longer).max() > self.tolerance

    def test_no_texts_give_no_vectors(self, embedder: Embedder) -> None:
        assert list(embedder.embed_documents([])) == []
        assert embedder.embed_queries([]).shape == (0, embedder.fingerprint.dimension)

    @pytest.mark.parametrize("text", ODD, ids=lambda text: ascii(text[:16]))
    def test_any_text_is_taken(self, embedder: Embedder, text: str) -> None:
        for vectors in (embed_all(embedder, [text]), embedder.embed_queries([text])):
            assert np.isfinite(vectors).all()
            assert np.isclose(np.linalg.norm(vectors), 1, atol=1e-5)

    @pytest.mark.parametrize("words", [0, 1, 300, 3_000, pytest.param(100_000, marks=pytest.mark.slow)])
    def test_a_text_of_any_length_is_taken(self, embedder: Embedder, words: int) -> None:
        text = " ".join(f"river {number % 97}" if number % 7 else "weir" for number in range(words))
        for vectors in (embed_all(embedder, [text]), embedder.embed_queries([text])):
            assert np.isclose(np.linalg.norm(vectors), 1, atol=1e-5)

    def test_stopping_early_is_clean(self, embedder: Embedder) -> None:
        batches = embedder.embed_documents([f"text number {number}" for number in range(3000)])
        first = next(batches)
        assert 0 < len(first.indices) <= 3000
        batches.close()  # type: ignore[attr-defined]  # embedders are generators, of which the protocol shows the iterator
        assert embed_all(embedder, ["still works"]).shape == (1, embedder.fingerprint.dimension)

    def test_meaning_is_kept(self, embedder: Embedder) -> None:
        near, far = embed_all(embedder, ["The cat sleeps on the sofa.", "Interest rates rose by half a point."])
        query = embedder.embed_queries(["The cat is asleep on the sofa."])[0]
        assert query @ near > query @ far

    @pytest.mark.parametrize("text", [*ODD, "", "река", "river"], ids=lambda text: ascii(text[:16]))
    def test_a_share_of_any_query_is_legible(self, embedder: Embedder, text: str) -> None:
        assert 0 <= embedder.legible_share(text) <= 1

    def test_the_fingerprint_is_complete(self, embedder: Embedder) -> None:
        fingerprint = embedder.fingerprint
        assert fingerprint == embedder.fingerprint
        assert all((fingerprint.provider, fingerprint.model, fingerprint.weights, fingerprint.pooling))
        assert fingerprint.dimension > 0
