"""The image model of an index: opened once, if the user has chosen it on this machine."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from vsearch_core.errors import InputError, ModelError

if TYPE_CHECKING:
    from vsearch_core.embed.images.embedder import ImageEmbedder
    from vsearch_core.index.pictures import ImageModel, OpenImageEmbedder

_KIND = "image_model"  # of records of what the user has chosen


class ImageEmbedders:
    """Opens image models, and keeps the last one, because loading a model is slow."""

    def __init__(
        self,
        index: Path,
        requested: str | None,
        cache_dir: Path | None,
        open_image_embedder: "OpenImageEmbedder | None" = None,
        preparing: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Open nothing yet. `requested` is the model that the caller named.

        `preparing` is called with a model's name before it is prepared.
        """
        self._index = index
        self._requested = requested
        self._cache_dir = cache_dir
        self._given = open_image_embedder
        self._preparing = preparing
        self._opened: tuple[str, ImageEmbedder] | None = None
        self._lock = Lock()

    def open(self, model: str) -> "ImageEmbedder":
        """Return the embedder of an image model.

        Raises InputError if the index names it and the user never chose it on this machine, and ModelError.
        """
        from vsearch_core.allowed import allow, allowed
        from vsearch_core.index.choices import is_made_here

        if model == self._requested:
            with suppress(OSError):
                allow(self._index, {_KIND: [model]})
        elif not (self._is_at_hand(model) or model in allowed(self._index, _KIND) or is_made_here(self._index)):
            reason = f"names the image model {model}, never chosen on this machine"
            raise InputError(str(self._index), reason, "image-model-not-chosen", model=model)
        return self._open(model)

    def open_for(self, model: "ImageModel") -> "ImageEmbedder | None":
        """Return the embedder that made an index's picture vectors, or None if it isn't at hand on this machine.

        A search fetches no model, and prepares none.
        """
        if not self._is_at_hand(model.name):
            return None
        with suppress(ModelError):
            embedder = self._open(model.name)
            if embedder.fingerprint == model.fingerprint:
                return embedder
        return None

    def _is_at_hand(self, model: str) -> bool:
        from vsearch_core.embed.models import is_prepared

        return self._given is not None or is_prepared("image", model, self._cache_dir)

    def _open(self, model: str) -> "ImageEmbedder":
        from vsearch_core.embed.open import open_image_embedder

        with self._lock:
            if self._opened is None or self._opened[0] != model:
                own = partial(open_image_embedder, cache_dir=self._cache_dir, report=lambda _: self._preparing(model))
                self._opened = model, (self._given or own)(model)
            return self._opened[1]
