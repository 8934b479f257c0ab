"""`vsearch models`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from .output import emit, printable, to_json

if TYPE_CHECKING:
    from vsearch_core.embed.prepared import ModelInfo


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> int:
    """Show which embedding models are at hand, where they come from, and how they would run.

    Exit status 1 when there is none: the first `vsearch index` would have to fetch the default one.
    """
    from vsearch_core.embed.prepared import list_models

    found = list_models()
    if as_json:
        values = [{**asdict(model), "location": model.location and str(model.location)} for model in found]
        emit(to_json({"schema": "vsearch.models/1", "models": values}))
    else:
        emit("\n\n".join("\n".join(printable(line) for line in _lines(model)) for model in found))
    return 0 if any(model.location for model in found) else 1


def _lines(model: "ModelInfo") -> list[str]:
    files = ", ".join(model.precisions) or "not prepared yet: the first use does it, once"
    lines = [
        model.name,
        f"  from       {model.source}" + (f", weights {model.weights[:12]}" if model.weights else ""),
        f"  at         {model.location or 'nowhere yet'}",
        f"  files      {files}",
        f"  would use  {model.precision}: {model.reason}",
    ]
    if model.dimension:
        lines.insert(1, f"  vectors    {model.dimension} dimensions, windows of {model.max_tokens} tokens")
    return lines
