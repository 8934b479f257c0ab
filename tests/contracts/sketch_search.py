"""The contract of searchers by sketches. A kind inherits `SketchSearchContract` and supplies `build` and `search`.

Its module has two fixtures: `data`, vectors and queries, and `built`, what `build` returns for the vectors.
"""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from vector_search import NEVER_SCAN, Data, check_valid, clustered, searching

from vsearch_core.ann import flat
from vsearch_core.ann.searcher import NearestRows
from vsearch_core.errors import InputError


class SketchSearchContract:
    width = ""  # the option that says how much is searched
    searcher: Any = None  # the class that searches what `build` returns

    def build(self, vectors: NDArray[np.int16]) -> Any:
        """Build what is searched."""
        raise NotImplementedError

    def search(self, *arguments: Any, **options: Any) -> NearestRows:
        """Search what `build` returned; see `vector_search.searching`."""
        return searching(self.searcher)(*arguments, **options)

    def test_answers_do_not_depend_on_the_number_of_threads_or_queries(self, data: Data, built: Any) -> None:
        vectors, queries = data
        together = self.search(built, vectors, queries, 10, threads=2)
        for number in (0, 7, 199):
            alone = self.search(built, vectors, queries[number : number + 1], 10)
            assert alone.rows[0].tolist() == together.rows[number].tolist()
            assert alone.scores[0].tolist() == together.scores[number].tolist()

    def test_equal_rows_are_all_found(self) -> None:
        vectors = flat.to_fixed(np.repeat(clustered(100, 32), 50, axis=0)[np.random.default_rng(0).permutation(5000)])
        queries = clustered(20, 32, seed=5)
        found = self.search(self.build(vectors), vectors, queries, 120, limits=NEVER_SCAN)
        check_valid(found, vectors, queries, 120)
        exact = -np.sort(-flat.scan(vectors, queries), axis=1)[:, :120]
        np.testing.assert_allclose(found.scores, exact, atol=2e-6)

    def test_all_equal_rows(self) -> None:
        vectors = flat.to_fixed(np.repeat(clustered(1, 32), 3000, axis=0))
        found = self.search(self.build(vectors), vectors, clustered(2, 32), 10, limits=NEVER_SCAN)
        assert found.rows.tolist() == [list(range(10))] * 2

    def test_invalid_arguments_are_refused(self, data: Data, built: Any) -> None:
        vectors, queries = data
        broken = queries.copy()
        broken[3, 5] = np.nan
        with pytest.raises(InputError, match=r"query 3: .* not finite"):
            self.search(built, vectors, broken)
        for arguments in ({"k": 0}, {self.width: 0}, {self.width: 10**6}, {"allowed": np.ones(3, np.bool_)}):
            with pytest.raises(InputError, match=next(iter(arguments))):
                self.search(built, vectors, queries, **arguments)
        with pytest.raises(InputError, match=r"^queries"):
            self.search(built, vectors, queries[:, :5])
        with pytest.raises(InputError, match="vectors"):
            self.search(built, vectors[:-1], queries)
