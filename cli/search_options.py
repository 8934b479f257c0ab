"""The options that all search commands have in common."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from vsearch_core import config
from vsearch_core.errors import InputError

from . import consent, locate
from .defaults import K_MOST, choose
from .option_rules import BARE_VALUES
from .output import COLOUR_HELP, Colour

if TYPE_CHECKING:
    from vsearch_core import FilterOptions, SearchOptions


FRESH_MOST = 600_000  # milliseconds


def grouped(command: Callable[..., int]) -> Callable[..., int]:
    """Decorate a command: replace each parameter that is a dataclass with one option for each of its fields."""
    signature = inspect.signature(command)
    groups: dict[str, Any] = {
        name: each.annotation for name, each in signature.parameters.items() if is_dataclass(each.annotation)
    }
    parameters: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        if name in groups:
            parameters += [
                inspect.Parameter(each.name, parameter.kind, default=each.default, annotation=each.type)
                for each in fields(groups[name])
            ]
        else:
            parameters.append(parameter)

    @wraps(command)
    def run(**options: Any) -> int:
        for name, group in groups.items():
            options[name] = group(**{each.name: options.pop(each.name) for each in fields(group)})
        return command(**options)

    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


@dataclass(frozen=True, slots=True)
class FilterArguments:
    """Options that choose the files to search."""

    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SQL",
            help="Search only files that meet a condition: \"ext = 'md' AND size < 9000\". Given twice: both.",
        ),
    ] = None
    path: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB",
            help="Search only paths that match, as in a .gitignore: 'docs/*', '*.{md,txt}', '!drafts/'. Given twice:"
            " either; with a !: but not these.",
        ),
    ] = None
    ext: Annotated[
        list[str] | None,
        typer.Option(metavar="LIST", help="Search only files with one of these extensions: md,py."),
    ] = None
    since: Annotated[
        str | None,
        typer.Option(
            metavar="DATE", help="Search only files changed since a date (2026-01-31, 2026-01, today) or an age (3w)."
        ),
    ] = None
    until: Annotated[
        str | None,
        typer.Option(
            metavar="DATE", help="Search only files changed up to a date (2026-01-31, 2026, yesterday) or an age (1y)."
        ),
    ] = None

    images: Annotated[
        bool | None, typer.Option("--images/--no-images", help="Search only pictures and figures, or none.")
    ] = None

    def filters(self, root: Path) -> "FilterOptions":
        """Return the filters as keyword arguments for the library.

        Globs may be relative to `root`, the folder that paths in the index start from, or to the working folder.
        """
        from vsearch_core.search.filters import parse_globs
        from vsearch_core.text.globs import from_folder

        folder = str(locate.working_folder())
        parse_globs(self.path)  # names what the user wrote, if it is refused
        return {
            "where": _all_of(self.where or ()),
            "path": [each for glob in self.path or () for each in from_folder(glob, str(root), folder)],
            "ext": self.ext or (),
            "since": self.since,
            "until": self.until,
            "images": self.images,
        }


def _all_of(conditions: Sequence[str]) -> str | None:
    """Return one condition that holds if all the conditions hold, or None if there are none."""
    if len(conditions) < 2:
        return conditions[0] if conditions else None
    return " AND ".join(f"(\n{each}\n)" for each in conditions)  # a line comment may end a condition


@dataclass(frozen=True, slots=True)
class SearchArguments(FilterArguments):
    """Options of `vsearch query` and `vsearch similar`."""

    k: Annotated[
        int | None,
        typer.Option(
            "-k",
            "--limit",
            metavar="N",
            min=1,
            max=K_MOST,
            help="The maximum number of hits.  [default: 10, or as many as fit --max-tokens]",
        ),
    ] = None
    offset: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, max=K_MOST, help="Leave out the first N hits. In JSON, `more` tells if more follow."
        ),
    ] = 0
    min_score: Annotated[float | None, typer.Option(metavar="X", help="Show only hits with at least this score.")] = (
        None
    )
    group_by: Annotated[Literal["file"] | None, typer.Option(help="Show only the best hit of each file.")] = None
    no_collapse: Annotated[bool, typer.Option("--no-collapse", help="Show near-duplicates as separate hits.")] = False
    diversity: Annotated[
        float,
        typer.Option(metavar="X", min=0, max=1, help="Prefer hits that differ: 0 ranks by score, 1 by difference."),
    ] = 0.0
    context: Annotated[
        int,
        typer.Option("-C", "--context", metavar="N", min=0, max=100, help="Show N chunks before and after each hit."),
    ] = 0
    max_tokens: Annotated[
        int | None,
        typer.Option(metavar="N", min=50, help="Fit the best hits into about N tokens, for a language model."),
    ] = None
    fresh: Annotated[
        int | None,
        typer.Option(
            "--fresh",
            metavar="[=MS]",
            min=1,
            max=FRESH_MOST,
            help="Bring changed files of hits up to date in the index first, for MS milliseconds at most; alone:"
            f" {BARE_VALUES['--fresh']}.",
        ),
    ] = None
    exact: Annotated[bool, typer.Option("--exact", help="Compare every vector: exact, but slower.")] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False
    as_jsonl: Annotated[bool, typer.Option("--jsonl", help="Print one JSON object for each hit.")] = False
    as_paths: Annotated[bool, typer.Option("--paths", help="Print only the paths of the hits, each once.")] = False
    null: Annotated[bool, typer.Option("-0", "--null", help="With --paths: end each path with a NUL byte.")] = False
    full: Annotated[bool, typer.Option("--full", help="Print whole chunks instead of the best sentences.")] = False
    color: Annotated[Colour, typer.Option("--color", help=COLOUR_HELP)] = "auto"
    explain: Annotated[bool, typer.Option("--explain", help="Show terms, scores and timings.")] = False
    base_url: Annotated[str | None, typer.Option(metavar="URL", help=consent.BASE_URL_HELP)] = None
    yes: Annotated[bool, typer.Option("--yes", help=consent.YES_HELP)] = False
    index_dir: Annotated[list[Path] | None, locate.INDEXES_OR_SERVER] = None
    everywhere: Annotated[bool, typer.Option("--everywhere", help=locate.EVERYWHERE_HELP)] = False

    def index_folders(self) -> list[Path]:
        """Return the index folders to search, each once; the first one's settings and embedder count.

        Raises IndexNotFoundError if a named index doesn't exist, or if there is none.
        """
        return locate.indexes_to_read(self.index_dir or (), everywhere=self.everywhere, servers=True)

    @property
    def output(self) -> Literal["text", "json", "jsonl", "paths", "paths0"]:
        """The output format; paths0 ends each path with a NUL byte. Raises InputError for conflicting options."""
        if self.as_json + self.as_jsonl + self.as_paths > 1:
            raise InputError("--json, --jsonl, --paths", "can't be combined; give one of them")
        if self.as_json:
            return "json"
        if self.as_jsonl:
            return "jsonl"
        return "text" if not self.as_paths else "paths0" if self.null else "paths"

    @property
    def format(self) -> str:
        """The output format as `option_rules` names it: paths0 is paths."""
        return self.output.removesuffix("0")

    @property
    def shows_whole_chunks(self) -> bool:
        """True if hits are printed in full, not as snippets: with --full, --context or --max-tokens."""
        return self.full or self.context > 0 or self.max_tokens is not None

    def search_options(self, indexes: Sequence[Path]) -> "SearchOptions":
        """Return the options as keyword arguments for the library, with the defaults that apply to the first index."""
        index, root = indexes[0], indexes[0].parent
        if len(indexes) > 1:
            from vsearch_core.index.joined import common_root

            root = common_root(indexes)
        k = config.PACKED_HITS if self.k is None and self.max_tokens is not None else self.k
        options: SearchOptions = {
            "k": choose(index, k=k)["k"],
            "offset": self.offset,
            "min_score": self.min_score,
            "group_by_file": self.group_by == "file",
            "collapse": not (self.no_collapse or self.as_paths),  # a script that asks for paths wants all of them
            "diversity": self.diversity,
            "context": self.context,
            "max_tokens": self.max_tokens,
            "fresh": None if self.fresh is None else self.fresh / 1000,
            "exact": self.exact,
        }
        options.update(self.filters(root))  # type: ignore[typeddict-item]
        return options
