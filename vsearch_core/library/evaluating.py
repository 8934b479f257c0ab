"""The method of `Index` that measures the quality of searches, which an index on a server has, too."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from vsearch_core.config import MODES
from vsearch_core.library.options import check_alpha
from vsearch_core.library.searching import S, Searching

if TYPE_CHECKING:
    from vsearch_core.evaluate.dataset import Dataset
    from vsearch_core.evaluate.report import EvaluationReport
    from vsearch_core.evaluate.trec import Run


class Evaluating(Searching[S]):
    """Searches one index, and measures how good the results are."""

    def missing_documents(self, dataset: "Dataset", document_id: Callable[[str], str] = str) -> list[str]:
        """Return the ids of the dataset's judged documents that are missing from the index.

        `document_id` is as for `evaluate`.
        """
        from vsearch_core.evaluate.dataset import missing_documents

        with self._readers.lend() as reader:
            return missing_documents(dataset, [document_id(path) for path in reader.snapshot.catalog.live_paths()])

    def evaluate(
        self,
        dataset: "Dataset",
        *,
        modes: Sequence[str] = MODES,
        fusion: str | None = None,
        alpha: float | None = None,
        document_id: Callable[[str], str] = str,
        former: "tuple[str, Run] | None" = None,
    ) -> "EvaluationReport":
        """Measure the quality of search results, on queries with known answers.

        Args:
            dataset: Queries and the documents that answer them.
            modes: The modes of search to compare: "hybrid", "vector" or "keyword".
            fusion: As for `search`.
            alpha: As for `search`.
            document_id: A function from a stored path to the id that the dataset uses; by default the path is the id.
            former: The name and the results of an earlier run, to compare each mode with.
        """
        from vsearch_core.evaluate.report import evaluate
        from vsearch_core.evaluate.run import embed_dataset
        from vsearch_core.search.tuned import fusion_for

        check_alpha(alpha)
        with self._readers.lend() as reader:
            embedder = None if list(modes) == ["keyword"] else self._embedders.open_for(reader.snapshot.settings)
            embed = None if embedder is None else embed_dataset(dataset, embedder)
            combined = fusion_for(reader.snapshot.catalogs[0], fusion, alpha)
            return evaluate(reader.searcher, embed, dataset, modes, combined, document_id, former)
