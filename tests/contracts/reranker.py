"""The promises of every reranker. A new one inherits `RerankerContract` and supplies the `reranker` fixture."""

import numpy as np
import pytest

from vsearch_core.search.rerank import Reranker

QUERY = "question pump"
TEXTS = [
    "good pump good",
    "bad pump",
    "",
    "\ud800 a lone surrogate",
    "\x00\x1b[31m",
    "全文検索は日本語でも動く。",
    "filler " * 2_000,
]


class RerankerContract:
    """Subclasses may set `tolerance`, the largest difference between two scores of one text."""

    tolerance = 1e-5

    @pytest.fixture
    def reranker(self) -> Reranker:
        raise NotImplementedError

    def test_a_score_a_text_from_0_to_1(self, reranker: Reranker) -> None:
        scores = reranker.score(QUERY, TEXTS)
        assert scores.shape == (len(TEXTS),)
        assert scores.dtype == np.float32
        assert ((scores >= 0) & (scores <= 1)).all()

    def test_no_texts_give_no_scores(self, reranker: Reranker) -> None:
        assert reranker.score(QUERY, []).shape == (0,)

    def test_neighbours_and_order_do_not_matter(self, reranker: Reranker) -> None:
        together = reranker.score(QUERY, TEXTS)
        backwards = reranker.score(QUERY, TEXTS[::-1])[::-1]
        alone = np.concatenate([reranker.score(QUERY, [text]) for text in TEXTS])
        assert np.abs(together - backwards).max() <= self.tolerance
        assert np.abs(together - alone).max() <= self.tolerance

    @pytest.mark.parametrize("at", [0, 700, 1_999])
    def test_no_text_is_cut(self, reranker: Reranker, at: int) -> None:
        words = ["filler"] * 2_000
        plain = " ".join(words)
        words[at] = "good"
        scores = reranker.score(QUERY, [plain, " ".join(words)])
        assert abs(scores[1] - scores[0]) > self.tolerance
