"""How commands open the embedder of an index: as the user has agreed to, and run as the user wants it run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from . import consent
from .defaults import choose

if TYPE_CHECKING:
    from vsearch_core.embed.base import Embedder, OpenEmbedder
    from vsearch_core.model import EmbedderSpec


def embedder_opener(
    project: Path,
    *,
    report: Callable[[str], None],
    stop: Callable[[], bool] = lambda: False,
    yes: bool = False,
    device: str | None = None,
    base_url: str | None = None,
    rpm: int | None = None,
    tpm: int | None = None,
) -> "OpenEmbedder":
    """What opens embedders for the project (the index's folder), once the user agrees to whom its texts go.

    `stop` ends a wait for a provider. The rest is what the command line says; None leaves it to the configuration.
    """

    def opened(spec: "EmbedderSpec") -> "Embedder":
        from vsearch_core.embed.open import open_embedder
        from vsearch_core.embed.remote.retry import RequestPolicy

        agreed = consent.require(spec, project, yes=yes)
        chosen = choose(project, device=device, rpm=rpm, tpm=tpm)
        return open_embedder(
            spec,
            report=report,
            device=chosen["device"] if spec.provider == "sentence-transformers" else device,
            policy=RequestPolicy(chosen["rpm"], chosen["tpm"], stop=stop, report=report),
            # A local address needs no agreement, and so gets no key from an index that somebody else may have made.
            named_url=base_url or (spec.base_url if agreed else None),
        )

    return opened


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """A stop flag that Ctrl-C raises: the process ends only with the thread that embeds, and that may be waiting."""
    from threading import Event

    interrupted = Event()
    try:
        yield interrupted.is_set
    except KeyboardInterrupt:
        interrupted.set()
        raise
