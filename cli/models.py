"""`vsearch models`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from .output import emit, printable, to_json

if TYPE_CHECKING:
    from vsearch_core.embed.models import ModelInfo


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> int:
    """Show the embedding models at hand, and who else could embed.

    Where each comes from, and how it would run. Exit status 1 when there is none: the first `vsearch index` would
    have to fetch the default one.
    """
    from vsearch_core.embed.models import list_models
    from vsearch_core.embed.providers import list_extras

    found, extras = list_models(), list_extras()
    if as_json:
        values = [{**asdict(model), "location": model.location and str(model.location)} for model in found]
        others = [asdict(extra) for extra in extras]
        emit(to_json({"schema": "vsearch.models/1", "models": values, "embedders": others}))
    else:
        blocks = [*map(_lines, found), *([f"--embedder {extra.name}", f"  {extra.state}"] for extra in extras)]
        emit("\n\n".join("\n".join(printable(line) for line in lines) for lines in blocks))
    return 0 if any(model.location for model in found) else 1


def _lines(model: "ModelInfo") -> list[str]:
    lines = [model.name]
    if model.dimension:
        windows = f"windows of {model.max_tokens} tokens" if model.max_tokens else "texts of any length at once"
        lines.append(f"  vectors    {model.dimension} dimensions, {windows}")
    for side, prefix in (("query", model.query_prefix), ("document", model.document_prefix)):
        if prefix:
            lines.append(f"  prefix     {prefix!r} before a {side}")
    lines += [
        f"  from       {model.source}" + (f", weights {model.weights[:12]}" if model.weights else ""),
        f"  at         {model.location or 'nowhere yet'}",
    ]
    if model.precision is None:
        return [*lines, f"  would use  --embedder {model.provider}"]
    files = ", ".join(model.precisions) or "not prepared yet: the first use does it, once"
    return [*lines, f"  files      {files}", f"  would use  {model.precision}: {model.reason}"]
