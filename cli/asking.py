"""The options that `query` shares with the commands that are asked in another way than in words."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vsearch_core.search.pipeline import Query

Context = Annotated[
    int, typer.Option("--context", metavar="N", min=0, max=100, help="With N chunks of the file before and after each.")
]
NoCollapse = Annotated[bool, typer.Option("--no-collapse", help="Show near-duplicates of a hit as hits, too.")]
Diversity = Annotated[
    float,
    typer.Option(metavar="X", min=0, max=1, help="From 0, the order of the scores, to 1: hits unlike one another."),
]
MaxTokens = Annotated[
    int | None,
    typer.Option(metavar="N", min=50, help="Pack the best passages, none twice, into about N tokens for a model."),
]


def hits(k: int | None, max_tokens: int | None) -> int:
    """How many hits are asked for at most."""
    from vsearch_core import config

    return k or (config.K if max_tokens is None else config.PACKED_HITS)


def whole(asked: "Query") -> bool:
    """Whether text is shown whole because more, or less, than the passages themselves is asked for."""
    return asked.context > 0 or asked.max_tokens is not None
