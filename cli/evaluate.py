"""`vsearch eval`."""

from contextlib import ExitStack
from dataclasses import asdict
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

import typer

from . import consent
from .defaults import choose, requested, shown
from .opening import embedder_opener
from .output import emit, plural, say, to_json


def eval_(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Holds queries.jsonl, qrels/test.tsv, and corpus.jsonl or documents.")
    ],
    mode: Annotated[
        Literal["hybrid", "vector", "keyword"] | None, typer.Option(help="This mode only.  [default: all three]")
    ] = None,
    fusion: Annotated[
        Literal["convex", "rrf"] | None, typer.Option(help=f"How hybrid combines the two.{shown('fusion')}")
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(min=0, max=1, help=f"The share of meaning in convex fusion.{shown('alpha')}")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the index there: the next run embeds nothing.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help=consent.YES_HELP)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> int:
    """Measure the answers to judged questions: nDCG@10, recall and MRR for each mode."""
    from vsearch_core import config
    from vsearch_core.errors import InputError
    from vsearch_core.evaluate.dataset import load
    from vsearch_core.evaluate.run import document_id, evaluate_modes, write_corpus
    from vsearch_core.index.progress import Observer
    from vsearch_core.index.snapshot import open_snapshot
    from vsearch_core.index.sources import Source, stored_path
    from vsearch_core.index.writer import update_index
    from vsearch_core.search.fusion import Fusion
    from vsearch_core.search.local import LocalSearcher
    from vsearch_core.text.discover import DiscoverOptions

    dataset = load(folder)
    with ExitStack() as stack:
        work = (keep or Path(stack.enter_context(TemporaryDirectory(prefix="vsearch-eval-")))).absolute()
        corpus = folder.absolute() if dataset.documents is None else write_corpus(dataset, work)
        index = work / config.INDEX_DIR
        chosen = choose(index, fusion=fusion, alpha=alpha)
        embedder = cache(embedder_opener(folder, report=say, yes=yes))
        update_index(
            index,
            [Source(corpus, DiscoverOptions(exclude=("/queries.jsonl", "/qrels/")))],
            requested(index),
            embedder,
            Observer(failed=lambda path, reason: say(f"{path}: {reason}")),
        )
        snapshot = stack.enter_context(open_snapshot(index))
        if list(snapshot.catalog.sources()) != [stored_path(work, corpus)]:
            raise InputError(f"--keep {keep}", "it holds the index of another set", "choose another folder")
        scores = evaluate_modes(
            LocalSearcher(snapshot),
            embedder(snapshot.settings.spec).embed_queries,
            dataset,
            [mode] if mode else config.MODES,
            Fusion(chosen["fusion"], chosen["alpha"]),
            lambda path: document_id(dataset, corpus, work / path),
        )
    if as_json:
        values = {"schema": "vsearch.eval/1", "queries": len(dataset.judgements), "modes": [asdict(s) for s in scores]}
        emit(to_json(values))
        return 0
    emit(f"{folder}: {plural(len(dataset.judgements), 'judged question')}")
    emit(f"{'mode':<8} {'nDCG@10':>8} {'recall@10':>10} {'recall@100':>11} {'MRR@10':>8} {'queries/s':>10}")
    for s in scores:
        rate = len(dataset.judgements) / s.seconds
        figures = f"{s.ndcg_10:>8.4f} {s.recall_10:>10.4f} {s.recall_100:>11.4f} {s.mrr_10:>8.4f} {rate:>10.0f}"
        emit(f"{s.mode:<8} {figures}")
    return 0
