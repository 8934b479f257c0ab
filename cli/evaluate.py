"""The command `vsearch eval`."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from vsearch_core import config
from vsearch_core.errors import InputError

from . import consent, locate
from .advice import advice_for
from .defaults import configured
from .opening import open_any_index, open_index, refuse_idle_address
from .option_rules import refuse_idle_options
from .output import complain, emit, one_line, plural, say, to_json
from .servers import refuse_server

if TYPE_CHECKING:
    from vsearch_core import Dataset, EvaluationReport, Index, ServerIndex
    from vsearch_core.evaluate.answers import AnswerScores
    from vsearch_core.evaluate.calibration import ConfidenceScores


def eval_(
    questions: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR|FILE]",
            help="A folder of judged queries: queries.jsonl, qrels/test.tsv, and the documents as corpus.jsonl or as"
            " files; it gets an index of its own. Or a file of judged queries for an existing index: one JSON object a"
            " line, with text and paths, or text and passage.",
        ),
    ] = None,
    known_items: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Generate N queries from the index's own chunks.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --known-items: save the queries to this file.")
    ] = None,
    mode: Annotated[
        Literal["hybrid", "vector", "keyword"] | None,
        typer.Option(help="Evaluate only this mode.  [default: all three]"),
    ] = None,
    fusion: Annotated[
        Literal["convex", "rrf"] | None, typer.Option(help="The method that combines scores, as for `vsearch query`.")
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(metavar="X", min=0, max=1, help="The weight of vectors, as for `vsearch query`.")
    ] = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="Use qrels/NAME.tsv of DIR.")] = "test",
    run: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Save the ranked results of the mode (or of hybrid) as a TREC run file."),
    ] = None,
    against: Annotated[
        Path | None, typer.Option("--compare", metavar="RUN", help="Compare each mode with a saved TREC run file.")
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the folder's index here, so that the next run embeds nothing."),
    ] = None,
    base_url: Annotated[str | None, typer.Option(metavar="URL", help=consent.BASE_URL_HELP)] = None,
    yes: Annotated[bool, typer.Option("--yes", help=consent.YES_HELP)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    index_dir: Annotated[Path | None, locate.INDEX_OR_SERVER] = None,
) -> int:
    """Measure the quality of search on judged queries.

    Print nDCG@10, recall and MRR of each mode, with 95 % confidence intervals (bootstrap over the queries), and
    p-values of the differences between modes (paired randomisation test). A judged query lists its relevant documents.
    """
    from vsearch_core.evaluate.dataset import save_query_file
    from vsearch_core.evaluate.trec import read_run, write_run

    if questions is None and known_items is None:
        raise InputError("eval", "there are no queries; name a folder or a file, or add --known-items N")
    if questions is not None and known_items is not None:
        raise InputError("eval", f"can't use two sets of queries; leave out {questions} or --known-items")
    if questions is not None and not questions.exists():
        raise InputError(str(questions), "there is no such file or folder; check the path")
    refuse_idle_options(
        "eval",
        mode=mode or "hybrid",
        fusion=fusion or config.FUSIONS[0],
        queries="generated" if questions is None else "folder" if questions.is_dir() else "file",
    )
    former = None if against is None else (str(against), read_run(against))
    modes = (mode,) if mode else config.MODES
    with _test(questions, known_items, split, keep, index_dir, yes=yes, base_url=base_url) as test:
        if save is not None:
            save_query_file(save, test.dataset)
        combination = configured(test.index.path, fusion=fusion, alpha=alpha)
        refuse_idle_options("eval", fusion=combination["fusion"] or config.FUSIONS[0])
        report = test.index.evaluate(
            test.dataset, modes=modes, document_id=test.document_id, former=former, **combination
        )
    if run is not None:
        write_run(run, report.runs[modes[0]], f"vsearch-{modes[0]}")
    emit(to_json(_as_json(report)) if as_json else "\n".join(_as_text(test.title, report)))
    return 0


@dataclass(frozen=True, slots=True)
class _Test:
    """Judged queries, and the index that answers them. `document_id` maps an indexed path to a judged document's id."""

    title: str
    dataset: "Dataset"
    index: "Index | ServerIndex"
    document_id: Callable[[str], str]


@contextmanager
def _test(
    questions: Path | None, known: int | None, split: str, keep: Path | None, index_dir: Path | None, **embedding: Any
) -> Iterator[_Test]:
    """Yield the queries and the index: those of an evaluation folder, or queries for an index that already exists."""
    from vsearch_core import Index
    from vsearch_core.evaluate.dataset import load_query_file

    if questions is not None and questions.is_dir():
        with _test_of_folder(questions, split, keep, **embedding) as test:
            yield test
        return
    dataset = None if questions is None else load_query_file(questions)
    folder = locate.index_to_read(index_dir, servers=True)
    refuse_idle_address("eval", folder, embedding["base_url"])
    if dataset is None:
        refuse_server(folder, "--known-items")
    with open_any_index(folder, report=say, **embedding) as index:
        if isinstance(index, Index):
            dataset = dataset or index.known_item_queries(known or 0)
        assert dataset is not None
        if not dataset.queries:
            raise InputError(str(index.path), "has no text to generate queries from; index some documents first")
        complain_of_missing(index.missing_documents(dataset))
        yield _Test(str(questions or index.path), dataset, index, str)


@contextmanager
def _test_of_folder(folder: Path, split: str, keep: Path | None, **embedding: Any) -> Iterator[_Test]:
    """Yield the queries of an evaluation folder, and a new index of its documents in `keep` or a temporary folder."""
    from vsearch_core import Observer
    from vsearch_core.allowed import forget
    from vsearch_core.evaluate.corpus import prepare_corpus
    from vsearch_core.evaluate.dataset import load_dataset

    dataset = load_dataset(folder, split)
    with ExitStack() as stack:
        work = keep or Path(stack.enter_context(TemporaryDirectory(prefix="vsearch-eval-")))
        corpus = prepare_corpus(folder, dataset, work)
        target = corpus.work / config.INDEX_DIR
        refuse_idle_address("eval", target, embedding["base_url"])
        if keep is None:
            stack.callback(forget, target)
        observer = Observer(file_failed=lambda path, reason: say(f"{path}: {reason}"), advice=advice_for)
        index = stack.enter_context(
            open_index(target, create=True, report=say, observer=observer, project=folder, **embedding)
        )
        index.update([corpus.folder], exclude=corpus.exclude)
        corpus.refuse_other(index.status().sources)
        yield _Test(str(folder), dataset, index, corpus.document_id)


def complain_of_missing(documents: list[str]) -> None:
    """Print a warning if judged documents are not in the index."""
    if documents:
        complain(f"not in the index: {plural(len(documents), 'judged file')}, such as {documents[0]}")


def _as_json(report: "EvaluationReport") -> dict[str, object]:
    modes = [asdict(scores) for scores in report.modes]
    comparisons = [asdict(comparison) for comparison in report.comparisons]
    return {
        "schema": "vsearch.eval/1",
        "queries": report.queries,
        "modes": modes,
        "comparisons": comparisons,
        "confidence": None if report.confidence is None else asdict(report.confidence),
        "answers": None if report.answers is None else asdict(report.answers),
    }


def _as_text(title: str, report: "EvaluationReport") -> Iterator[str]:
    yield f"{one_line(title)}: {plural(report.queries, 'judged query', 'judged queries')}"
    head = f"{'mode':<8} {'nDCG@10':>8} {'95 %':>13} {'recall@10':>10} {'recall@100':>11} {'MRR@10':>8}"
    yield f"{head} {'queries/s':>10}"
    for s in report.modes:
        low, high = s.intervals["ndcg_10"]
        figures = f"{low:.4f}-{high:.4f} {s.recall_10:>10.4f} {s.recall_100:>11.4f} {s.mrr_10:>8.4f}"
        yield f"{s.mode:<8} {s.ndcg_10:>8.4f} {figures} {report.queries / s.seconds:>10.0f}"
    for c in report.comparisons:
        span = f"{c.interval[0]:+.4f} to {c.interval[1]:+.4f}"
        yield f"{c.mode} against {one_line(c.against)}: nDCG@10 {c.ndcg_10:+.4f} ({span}), p = {c.p:.4f}"
    if report.confidence is not None:
        yield from _confidence_lines(report.confidence)
    if report.answers is not None:
        yield _answers_line(report.answers)


def _confidence_lines(scores: "ConfidenceScores") -> Iterator[str]:
    """Yield the quality of confidences, and a plot of their reliability: a bar is the share of relevant hits."""
    auc = "none" if scores.auc is None else f"{scores.auc:.3f}"
    yield f"confidence of {plural(scores.hits, 'hit')}: AUC {auc}, calibration error {scores.calibration_error:.3f}"
    for each in scores.bins:
        bar = "#" * round(40 * each.relevant)
        yield f"{each.confidence:>6.0%} confident {each.relevant:>6.0%} relevant {each.hits:>7,} {bar}".rstrip()


def _answers_line(scores: "AnswerScores") -> str:
    """Return how often the text shown holds the answer."""
    marked = f"answers marked for {plural(scores.queries, 'query', 'queries')}"
    shares = ("" if each is None else f", {each:.1%} of them shown" for each in (scores.shown, scores.shown_first))
    found, best = (f"{count:,}" for count in (scores.found, scores.found_first))
    ten, first = shares
    return f"{marked}: {found} in the ten best hits{ten}; {best} in the best hit{first}"
