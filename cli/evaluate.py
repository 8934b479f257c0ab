"""`vsearch eval`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from . import asking, consent, locate
from .defaults import requested, told
from .opening import consenting, embedder_opener
from .output import complain, emit, one_line, plural, say, to_json

if TYPE_CHECKING:
    from vsearch_core.embed.base import Embedder
    from vsearch_core.evaluate.dataset import Dataset
    from vsearch_core.evaluate.run import Comparison, ModeScores, Values
    from vsearch_core.evaluate.trec import Run
    from vsearch_core.index.snapshot import Snapshot
    from vsearch_core.search.fusion import Fusion


def eval_(
    questions: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR|FILE]",
            help="A folder with queries.jsonl, qrels/test.tsv, and corpus.jsonl or documents, which is indexed; or"
            " questions to ask the index, one JSON object a line, with text and paths, or text and passage.",
        ),
    ] = None,
    known_items: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Make N questions from the index's own passages.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --known-items: keep the questions there.")
    ] = None,
    mode: Annotated[
        Literal["hybrid", "vector", "keyword"] | None, typer.Option(help="This mode only.  [default: all three]")
    ] = None,
    fusion: Annotated[Literal["convex", "rrf"] | None, typer.Option(help="As `query` has it.")] = None,
    alpha: Annotated[float | None, typer.Option(min=0, max=1, help="As `query` has it.")] = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="Which qrels/NAME.tsv of DIR.")] = "test",
    run: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the run of the mode (hybrid, if all) there, as TREC has it."),
    ] = None,
    against: Annotated[
        Path | None, typer.Option("--compare", metavar="RUN", help="Test each mode against an earlier run's file.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep DIR's index there: the next run embeds nothing.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help=consent.YES_HELP)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    index_dir: Annotated[Path | None, typer.Option("--index", metavar="DIR", help=locate.INDEX_HELP)] = None,
) -> int:
    """Measure how good the answers to judged questions are.

    nDCG@10, recall and MRR of each mode; with them, 95 % confidence intervals (bootstrap over the questions) and
    the p-values of paired randomisation tests.
    """
    from vsearch_core import config
    from vsearch_core.errors import InputError
    from vsearch_core.evaluate.dataset import save_query_file
    from vsearch_core.evaluate.trec import read_run, write_run
    from vsearch_core.search.tuned import fusion_for

    if questions is None and known_items is None:
        raise InputError("eval", "no questions are named", "name a folder, a file, or --known-items N")
    if questions is not None and known_items is not None:
        raise InputError("eval", "it asks questions of one kind", f"leave out {questions}, or --known-items")
    if save is not None and known_items is None:
        raise InputError("--save", "it keeps known items", "add --known-items N")
    asking.refuse_nan(alpha=alpha)
    former = None if against is None else (str(against), read_run(against))
    modes = (mode,) if mode else config.MODES
    with _bench(questions, known_items, split, keep, index_dir, yes=yes) as bench:
        if save is not None:
            save_query_file(save, bench.dataset)
        catalog = bench.snapshot.catalog
        combined = fusion_for(catalog, **told(catalog.index, fusion=fusion, alpha=alpha))
        report, runs = _measure(bench, modes, combined, former)
    if run is not None:
        write_run(run, runs[modes[0]], f"vsearch-{modes[0]}")
    emit(to_json(_as_json(report)) if as_json else "\n".join(_as_text(bench.title, report)))
    return 0


@dataclass(frozen=True, slots=True)
class _Bench:
    """Questions and the index that answers them. `name` turns a stored path into the judgements' id.

    `embedder` opens the index's model, which keywords alone do not need.
    """

    title: str
    dataset: "Dataset"
    snapshot: "Snapshot"
    embedder: Callable[[], "Embedder"]
    name: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class _Report:
    """What was measured."""

    questions: int
    modes: Sequence["ModeScores"]
    comparisons: Sequence["Comparison"]


@contextmanager
def _bench(
    questions: Path | None, known: int | None, split: str, keep: Path | None, index_dir: Path | None, *, yes: bool
) -> Iterator[_Bench]:
    """What is to be measured: a judged folder under an index of its own, or the index that is there."""
    from vsearch_core.errors import InputError
    from vsearch_core.evaluate.dataset import load_query_file, missing_documents
    from vsearch_core.evaluate.known_items import known_item_queries
    from vsearch_core.index.snapshot import open_snapshot

    from .query import embedder_of

    if questions is not None and not questions.is_file():
        with _own_index(questions, split, keep, yes=yes) as bench:
            yield bench
        return
    if keep is not None:
        raise InputError("--keep", "it keeps the index of a folder of judged questions", "leave it out")
    dataset = None if questions is None else load_query_file(questions)
    index = locate.index_to_read(index_dir)
    opener = consenting(embedder_opener(index, report=say), index, yes=yes)
    with open_snapshot(index) as snapshot:
        if dataset is None:
            dataset = known_item_queries(snapshot, known or 0)
        if not dataset.queries:
            raise InputError(str(index), "holds no passage to ask for", "index some documents first")
        missing = missing_documents(dataset, snapshot.catalog.files(live=True))
        if missing:
            complain(f"{plural(len(missing), 'judged file')} not in the index, {missing[0]} for one")
        title = str(questions or index)
        yield _Bench(title, dataset, snapshot, lambda: embedder_of(snapshot, opener), lambda path: path)


@contextmanager
def _own_index(folder: Path, split: str, keep: Path | None, *, yes: bool) -> Iterator[_Bench]:
    """A judged folder, indexed aside."""
    from vsearch_core import config
    from vsearch_core.evaluate.corpus import indexed_corpus
    from vsearch_core.evaluate.dataset import load_dataset
    from vsearch_core.index.progress import Observer

    dataset = load_dataset(folder, split)
    with ExitStack() as stack:
        work = keep or Path(stack.enter_context(TemporaryDirectory(prefix="vsearch-eval-")))
        opener = cache(consenting(embedder_opener(folder, report=say), folder, yes=yes))
        observer = Observer(file_failed=lambda path, reason: say(f"{path}: {reason}"))
        made = indexed_corpus(folder, dataset, work, requested(work.absolute() / config.INDEX_DIR), opener, observer)
        snapshot, name = stack.enter_context(made)
        yield _Bench(str(folder), dataset, snapshot, lambda: opener(snapshot.settings.spec), name)


def _measure(
    bench: _Bench, modes: Sequence[str], fusion: "Fusion", former: "tuple[str, Run] | None"
) -> "tuple[_Report, dict[str, Run]]":
    """Each mode's means, hybrid beside the others, and all beside the former run."""
    from vsearch_core.evaluate.run import compare, embed_dataset, measure_run, mode_scores, run_queries
    from vsearch_core.search.local import LocalSearcher

    dataset = bench.dataset
    embed = None if list(modes) == ["keyword"] else embed_dataset(dataset, bench.embedder())
    searcher = LocalSearcher(bench.snapshot)
    scores, comparisons = [], []
    runs: dict[str, Run] = {}
    values: dict[str, Values] = {}
    for mode in modes:
        runs[mode], seconds = run_queries(searcher, embed, dataset, mode, fusion, bench.name)
        values[mode] = measure_run(runs[mode], dataset.judgements)
        scores.append(mode_scores(mode, values[mode], seconds))
    for other in modes[1:]:
        comparisons.append(compare(modes[0], values[modes[0]], other, values[other]))
    if former is not None:
        before = measure_run(former[1], dataset.judgements)
        comparisons += [compare(mode, values[mode], former[0], before) for mode in modes]
    return _Report(len(dataset.judgements), scores, comparisons), runs


def _as_json(report: _Report) -> dict[str, object]:
    modes = [asdict(scores) for scores in report.modes]
    comparisons = [asdict(comparison) for comparison in report.comparisons]
    return {"schema": "vsearch.eval/1", "queries": report.questions, "modes": modes, "comparisons": comparisons}


def _as_text(title: str, report: _Report) -> Iterator[str]:
    yield f"{one_line(title)}: {plural(report.questions, 'judged question')}"
    head = f"{'mode':<8} {'nDCG@10':>8} {'95 %':>13} {'recall@10':>10} {'recall@100':>11} {'MRR@10':>8}"
    yield f"{head} {'queries/s':>10}"
    for s in report.modes:
        low, high = s.intervals["ndcg_10"]
        figures = f"{low:.4f}-{high:.4f} {s.recall_10:>10.4f} {s.recall_100:>11.4f} {s.mrr_10:>8.4f}"
        yield f"{s.mode:<8} {s.ndcg_10:>8.4f} {figures} {report.questions / s.seconds:>10.0f}"
    for c in report.comparisons:
        span = f"{c.interval[0]:+.4f} to {c.interval[1]:+.4f}"
        yield f"{c.mode} against {one_line(c.against)}: nDCG@10 {c.ndcg_10:+.4f} ({span}), p = {c.p:.4f}"
