"""The command `vsearch models`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from .environment import KEY_VARIABLES, cache_dir
from .output import emit, printable, to_json

if TYPE_CHECKING:
    from vsearch_core.embed.models import ModelInfo
    from vsearch_core.embed.providers import ProviderStatus


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print the models as JSON.")] = False,
) -> int:
    """List the embedding models on this machine.

    For each model, its source and the way it would run are shown. The values of --embedder follow, with the packages
    that each needs. Exit status: 0 a model is there, 1 none (the first `vsearch index` would have to download one).
    """
    from vsearch_core.embed.models import list_models
    from vsearch_core.embed.providers import list_providers

    found, providers = list_models(cache_dir()), list_providers()
    if as_json:
        values = [{**asdict(model), "location": model.location and str(model.location)} for model in found]
        others = [{"name": each.name, "installed": each.installed, "state": _state(each)} for each in providers]
        emit(to_json({"schema": "vsearch.models/1", "models": values, "embedders": others}))
    else:
        blocks = [*map(_lines, found), *([f"--embedder {each.name}", f"  {_state(each)}"] for each in providers)]
        emit("\n\n".join("\n".join(printable(line) for line in lines) for lines in blocks))
    return 0 if any(model.location for model in found) else 1


def _state(provider: "ProviderStatus") -> str:
    """Return text: the provider's installed packages or how to install them, and the variables with its API key."""
    if provider.extra is None:
        state = "nothing to install"
    elif provider.installed:
        state = ", ".join(f"{name} {version}" for name, version in provider.packages.items())
    else:
        missing = next(name for name, version in provider.packages.items() if version is None)
        state = f"{missing} isn't installed: pip install 'vsearch[{provider.extra}]'"
    variables = " or ".join(KEY_VARIABLES.get(provider.name, ()))
    return f"{state}; the key is read from {variables}" if variables else state


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
