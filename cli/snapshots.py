"""The command `vsearch snapshots`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from . import locate
from .option_rules import refuse_idle_options
from .output import emit, plural, say, to_json
from .push import STORE_HELP, contents_text

if TYPE_CHECKING:
    from vsearch_core import SnapshotHistory, Snapshots


def snapshots(
    url: Annotated[str, typer.Argument(metavar="URL", help=STORE_HELP)],
    tag: Annotated[
        str | None, typer.Option(metavar="NAME", help="Give a snapshot a name, which also keeps it from being pruned.")
    ] = None,
    snapshot: Annotated[
        str | None,
        typer.Option("--snapshot", metavar="NUMBER|TAG", help="The snapshot to tag.  [default: the current one]"),
    ] = None,
    untag: Annotated[str | None, typer.Option(metavar="NAME", help="Take a name from its snapshot.")] = None,
    roll_back: Annotated[
        str | None, typer.Option(metavar="NUMBER|TAG", help="Make another snapshot the current one.")
    ] = None,
    prune: Annotated[
        int | None,
        typer.Option(
            metavar="COUNT", min=0, help="Delete all but the COUNT newest, the current one and those with names."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the snapshots as JSON.")] = False,
) -> int:
    """List the snapshots in a store, newest first; name them, roll back to an earlier one, or delete old ones.

    An asterisk marks the current snapshot, which `vsearch pull` gets. Changes are made first, then the list is printed.
    """
    from vsearch_core import Snapshots
    from vsearch_core.errors import ArgumentError

    changes = {"tag": tag, "untag": untag, "roll_back": roll_back, "prune": prune}
    given = [name for name, value in changes.items() if value is not None]
    if len(given) > 1:
        raise ArgumentError(", ".join(given), "can't be used together", "conflicting-arguments")
    refuse_idle_options("snapshots", change=given[0] if given else "none")
    url = locate.store_url(url)
    store = Snapshots(url)
    if tag is not None:
        store.tag(tag, snapshot)
    elif untag is not None:
        store.remove_tag(untag)
    elif roll_back is not None:
        store.roll_back(roll_back)
    elif prune is not None:
        _prune(store, prune)
    history = store.read()
    if as_json:
        values = [{**asdict(each), "is_current": each.number == history.current} for each in history.snapshots]
        emit(to_json({"schema": "vsearch.snapshots/1", "url": url, "current": history.current, "snapshots": values}))
    else:
        _print(history)
    return 0


def _prune(store: "Snapshots", keep: int) -> None:
    dropped, objects = store.prune(keep)
    say(f"vsearch: deleted {plural(len(dropped), 'snapshot')}, {plural(objects, 'object')}")


def _print(history: "SnapshotHistory") -> None:
    for each in reversed(history.snapshots):
        mark = "*" if each.number == history.current else " "
        tags = f"  {' '.join(each.tags)}" if each.tags else ""
        pushed = each.pushed.replace("T", " ").removesuffix("+00:00")
        emit(f"{mark} {each.number:>4}  {pushed}  {contents_text(each)}{tags}")
