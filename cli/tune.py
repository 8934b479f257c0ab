"""`vsearch tune`."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import consent, locate
from .defaults import told
from .opening import consenting, embedder_opener
from .output import complain, emit, one_line, plural, say, to_json

if TYPE_CHECKING:
    from vsearch_core.evaluate.dataset import Dataset
    from vsearch_core.evaluate.tune import TuningResult
    from vsearch_core.search.fusion import Fusion


def tune(
    questions: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR|FILE]",
            help="Judged questions about the index, as `eval` reads them; without, what `feedback` has noted.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Learn, and store nothing.")] = False,
    reset: Annotated[bool, typer.Option("--reset", help="Forget what was learned: back to the default.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help=consent.YES_HELP)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    index_dir: Annotated[Path | None, typer.Option("--index", metavar="DIR", help=locate.INDEX_HELP)] = None,
) -> int:
    """Learn how to weigh meaning and keywords in this index.

    From feedback or judged questions, for hybrid search. Cross-validated: it is stored only if it is better on
    questions that it was not learned from, and not by chance.
    """
    from vsearch_core.errors import InputError
    from vsearch_core.evaluate.tune import store_fusion

    index = locate.index_to_read(index_dir)
    if reset:
        if questions is not None or dry_run:
            raise InputError("--reset", "it learns nothing", "give it alone")
        store_fusion(index, None)
        emit(to_json({"schema": "vsearch.tune/1", "stored": False}) if as_json else f"{index}: back to the default")
        return 0
    learned, former = _learn(index, questions, yes=yes)
    stored = learned.wins and not dry_run
    if stored:
        store_fusion(index, learned.setting)
        if any(value is not None for value in told(index, fusion=None, alpha=None).values()):
            complain("your configuration says fusion or alpha, and queries go by that; see `vsearch config`")
    if as_json:
        emit(to_json({"schema": "vsearch.tune/1", "stored": stored, **_values(learned, former)}))
    else:
        emit("\n".join(_lines(index, learned, former, stored=stored)))
    return 0


def _learn(index: Path, questions: Path | None, *, yes: bool) -> "tuple[TuningResult, Fusion]":
    """What the questions teach, and the fusion in force."""
    from vsearch_core.errors import InputError
    from vsearch_core.evaluate.dataset import missing_documents
    from vsearch_core.evaluate.run import embed_dataset
    from vsearch_core.evaluate.tune import MIN_QUERIES, tune_fusion
    from vsearch_core.index.snapshot import open_snapshot
    from vsearch_core.search.local import LocalSearcher
    from vsearch_core.search.tuned import fusion_for

    from .query import embedder_of

    opener = consenting(embedder_opener(index, report=say), index, yes=yes)
    dataset, name = _judged(index, questions)
    if len(dataset.queries) < MIN_QUERIES:
        count = plural(len(dataset.queries), "answered question")
        next_step = f"judge {MIN_QUERIES} or more, in a file or with `vsearch feedback`"
        raise InputError(str(questions or index), f"{count} can teach nothing", next_step)
    with open_snapshot(index) as snapshot:
        missing = missing_documents(dataset, [name(path) for path in snapshot.catalog.files(live=True)])
        if missing:
            complain(f"{plural(len(missing), 'judged file')} not in the index, {missing[0]} for one")
        former = fusion_for(snapshot.catalog, **told(index, fusion=None, alpha=None))
        embed = embed_dataset(dataset, embedder_of(snapshot, opener))
        return tune_fusion(LocalSearcher(snapshot), embed, dataset, name, former), former


def _judged(index: Path, questions: Path | None) -> "tuple[Dataset, Callable[[str], str]]":
    """The judged questions, and what turns a stored path into the judgements' name of the file."""
    from vsearch_core.errors import InputError
    from vsearch_core.evaluate.dataset import load_dataset, load_query_file
    from vsearch_core.evaluate.feedback import dataset_from_verdicts, read_verdicts

    if questions is None:
        verdicts, damaged = read_verdicts(index)
        if damaged:
            complain(f"{plural(damaged, 'verdict')} damaged and left out")
        return dataset_from_verdicts(verdicts), lambda path: path
    if questions.is_file():
        return load_query_file(questions), lambda path: path
    dataset = load_dataset(questions)
    if dataset.documents is not None:
        raise InputError(str(questions), "it judges documents of its own", "judge files that the index holds")
    folder = locate.absolute(questions)
    return dataset, lambda path: os.path.relpath(index.parent / path, folder).replace(os.sep, "/")


def _values(learned: "TuningResult", former: "Fusion") -> dict[str, object]:
    return {
        "questions": learned.questions,
        "fusion": learned.fusion.method,
        "alpha": learned.fusion.alpha,
        "ndcg_10": learned.ndcg_10,
        "former": {"fusion": former.method, "alpha": former.alpha, "ndcg_10": learned.former_ndcg_10},
        "p": learned.p,
    }


def _lines(index: Path, learned: "TuningResult", former: "Fusion", *, stored: bool) -> Iterator[str]:
    yield f"{one_line(str(index))}: {plural(learned.questions, 'question')}"
    yield f"in force  {former.in_words}: nDCG@10 {learned.former_ndcg_10:.4f}"
    gain = f"nDCG@10 {learned.ndcg_10:.4f} on questions held out, p = {learned.p:.4f}"
    yield f"learned   {learned.fusion.in_words}: {gain}"
    if stored:
        yield "stored: queries go by it from now on"
    elif learned.wins:
        yield "not stored: a dry run"
    else:
        yield "not stored: no better than what is in force, or only by chance"
