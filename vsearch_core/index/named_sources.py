"""Record the sources outside an index's folder that the user has named on this machine.

A source is a file or folder to index. An index may come from someone else and list any path as a source. An update
without paths therefore reads a source only if it is in the folder around the index, or on record
(`vsearch_core.allowed`).
"""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from vsearch_core.allowed import allow, allowed
from vsearch_core.errors import InputError
from vsearch_core.index.sources import Source, is_within

KIND = "sources"  # of the record: real paths


def sources_outside(root: Path, sources: Iterable[Source]) -> tuple[Source, ...]:
    """Return the sources outside `root`, the folder around the index. Links are resolved to compare paths.

    Removed sources, which updates don't read, are left out.
    """
    real_root = os.path.realpath(root)
    return tuple(
        source
        for source in sources
        if source.options is not None and not is_within(os.path.realpath(source.path), [real_root])
    )


def outside_paths(root: Path, sources: Iterable[Source]) -> tuple[str, ...]:
    """Return the paths of the sources outside `root`, the folder around the index, sorted."""
    return tuple(sorted(str(source.path) for source in sources_outside(root, sources)))


def refuse_unnamed_sources(index: Path, walked: Sequence[Source], named: Sequence[Source]) -> None:
    """Raise InputError if an update would read a source outside the folder around the index without permission.

    The user permits a source by naming it to an update on this machine. `walked` are all sources that the update reads,
    and `named` are those that its caller passed.
    """
    outside = sources_outside(index.parent, walked)
    if not outside:
        return
    known = [*(os.path.realpath(source.path) for source in named), *allowed(index, KIND)]
    refused = [str(source.path) for source in outside if not is_within(os.path.realpath(source.path), known)]
    if refused:
        reason = "is a source of this index outside its folder, and was never named on this machine"
        others = f"; so are {', '.join(refused[1:])}" if len(refused) > 1 else ""
        raise InputError(refused[0], reason + others, "source-not-named", path=refused[0])


def record_named_sources(index: Path, named: Sequence[Source]) -> None:
    """Record those of the `named` sources that are outside the folder around the index.

    Errors of writing are ignored; a later update without paths then refuses these sources.
    """
    outside = [os.path.realpath(source.path) for source in sources_outside(index.parent, named)]
    with suppress(OSError):
        allow(index, {KIND: outside})
