"""How commands open the embedder of an index: as the user has agreed to, and run as the user wants it run."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from . import consent
from .defaults import choose

if TYPE_CHECKING:
    from vsearch_core.embed.base import Embedder
    from vsearch_core.index.writer import OpenEmbedder
    from vsearch_core.model import EmbedderSpec


def embedder_opener(
    project: Path,
    *,
    report: Callable[[str], None],
    stop: Callable[[], bool] = lambda: False,
    device: str | None = None,
    yes: bool = False,
) -> "OpenEmbedder":
    """What opens embedders for the project (the index's folder), once the user agrees to whom its texts go."""

    def opened(spec: "EmbedderSpec") -> "Embedder":
        from vsearch_core.embed.open import open_embedder

        consent.require(spec, project, yes=yes)
        return open_embedder(spec, report=report, device=device or _default_device(spec, project))

    return opened


def _default_device(spec: "EmbedderSpec", project: Path) -> str | None:
    """What the configuration says, where the embedder has a choice."""
    if spec.provider != "sentence-transformers":
        return None
    device: str | None = choose(project, device=None)["device"]
    return device
