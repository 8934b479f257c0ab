"""The command `vsearch tune`."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsearch_core.errors import InputError

from . import consent, locate
from .defaults import configured
from .evaluate import complain_of_missing
from .opening import open_index, refuse_idle_address
from .option_rules import refuse_idle_options
from .output import complain, emit, one_line, plural, say, to_json

if TYPE_CHECKING:
    from vsearch_core import Dataset, Index, Tuning


def tune(
    questions: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR|FILE]",
            help="Judged queries, as for `vsearch eval`.  [default: the verdicts of `vsearch feedback`]",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the result, but don't store it.")] = False,
    reset: Annotated[
        bool, typer.Option("--reset", help="Delete the stored result, and use the default again.")
    ] = False,
    base_url: Annotated[str | None, typer.Option(metavar="URL", help=consent.BASE_URL_HELP)] = None,
    yes: Annotated[bool, typer.Option("--yes", help=consent.YES_HELP)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    index_dir: Annotated[Path | None, locate.INDEX_OPTION] = None,
) -> int:
    """Learn the best weights of vectors and keywords.

    The weights of hybrid search are learned from judged queries (queries with their relevant files). The result is
    tested on queries that were not used for learning. It is stored only if it is significantly better there.
    """
    folder = locate.index_to_read(index_dir)
    refuse_idle_options("tune", tuning="reset" if reset else "learn")
    refuse_idle_address("tune", folder, base_url)
    if reset and questions is not None:
        raise InputError("--reset", f"only deletes the stored result; leave out {questions}")
    with open_index(folder, yes=yes, base_url=base_url, report=say) as index:
        if reset:
            index.reset_tuning()
            emit(to_json({"schema": "vsearch.tune/1", "stored": False}) if as_json else f"{folder}: using the default")
            return 0
        dataset, document_id = _judged(index, questions)
        fixed = configured(folder, fusion=None, alpha=None)
        done = index.tune(dataset, document_id=document_id, dry_run=dry_run, **fixed)
        complain_of_missing(index.missing_documents(dataset, document_id))
    if done.stored and any(value is not None for value in fixed.values()):
        complain("your configuration sets fusion or alpha, so queries use those; see `vsearch config`")
    if as_json:
        emit(to_json({"schema": "vsearch.tune/1", "stored": done.stored, **_values(done)}))
    else:
        emit("\n".join(_lines(folder, done)))
    return 0


def _judged(index: "Index", questions: Path | None) -> "tuple[Dataset, Callable[[str], str]]":
    """Return the judged queries, and a function that maps an indexed path to a judged document's id."""
    from vsearch_core.evaluate.dataset import load_dataset, load_query_file
    from vsearch_core.evaluate.feedback import dataset_from_verdicts

    if questions is None:
        verdicts, damaged = index.verdicts()
        if damaged:
            complain(f"{plural(damaged, 'damaged verdict')} left out")
        return dataset_from_verdicts(verdicts), str
    if not questions.exists():
        raise InputError(str(questions), "there is no such file or folder; check the path")
    if not questions.is_dir():
        return load_query_file(questions), str
    dataset = load_dataset(questions)
    if dataset.documents is not None:
        raise InputError(str(questions), "judges its own documents; judge files that are in the index")
    folder = locate.absolute(questions)
    return dataset, lambda path: os.path.relpath(index.root / path, folder).replace(os.sep, "/")


def _values(done: "Tuning") -> dict[str, object]:
    learned, present = done.learned, done.present
    return {
        "questions": learned.queries,
        "fusion": learned.fusion.method,
        "alpha": learned.fusion.alpha,
        "ndcg_10": learned.ndcg_10,
        "former": {"fusion": present.method, "alpha": present.alpha, "ndcg_10": learned.former_ndcg_10},
        "p": learned.p,
    }


def _lines(index: Path, done: "Tuning") -> Iterator[str]:
    learned = done.learned
    yield f"{one_line(str(index))}: {plural(learned.queries, 'query', 'queries')}"
    yield f"present   {done.present.in_words}: nDCG@10 {learned.former_ndcg_10:.4f}"
    gain = f"nDCG@10 {learned.ndcg_10:.4f} on held-out queries, p = {learned.p:.4f}"
    yield f"learned   {learned.fusion.in_words}: {gain}"
    if done.stored:
        yield "stored: queries use it from now on"
    elif learned.wins:
        yield "not stored: this was a dry run"
    else:
        yield "not stored: it is not significantly better than the present one"
