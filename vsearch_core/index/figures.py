"""Figures, the pictures inside documents, as an index keeps them once an image model has seen them.

They are kept in the metadata of the document's file in the catalog, as the vector of a picture file is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vsearch_core.json_text import parse_json
from vsearch_core.model import FIGURES, HEADING_SEPARATOR, Chunk, FigurePixels, JsonValue

_NUMBERS = ("start", "end", "chunk", "line", "width", "height")


@dataclass(frozen=True, slots=True)
class StoredFigure:
    """A picture inside a document. The fields are those of `FigurePixels`; `heading` has the titles.

    `vector` is the image model's vector as the catalog has it.
    """

    start: int
    end: int
    chunk: int
    line: int
    width: int
    height: int
    page: int | None
    heading: str | None
    vector: JsonValue = None

    @property
    def has_text(self) -> bool:
        """Return True if the document says something about the figure, which is a chunk of its own."""
        return self.end > self.start

    def as_chunk(self) -> Chunk:
        """Return a chunk for a figure about which nothing is said: without text in the document, but with its place."""
        name = (self.heading or "").rpartition(HEADING_SEPARATOR)[2] or "figure"
        text = f"{name} ({self.width} × {self.height} pixels)"
        return Chunk(text, self.start, self.start, self.line, self.line, self.page, self.heading)


def kept_figures(
    model: str, figures: Sequence[FigurePixels], vectors: Sequence[Mapping[str, JsonValue]]
) -> dict[str, JsonValue]:
    """Return what is kept of a document's figures, given the key of the image model and what is kept of its vectors."""
    entries: list[JsonValue] = [
        {
            **{name: getattr(figure, name) for name in _NUMBERS},
            "page": figure.page,
            "heading": HEADING_SEPARATOR.join(figure.titles) or None,
            "vector": kept.get("vector"),
        }
        for figure, kept in zip(figures, vectors, strict=True)
    ]
    return {"model": model, "figures": entries}


def figures_of(meta: str) -> list[StoredFigure]:
    """Return the figures by the metadata of a file, as JSON. What else a forged index has there is ignored."""
    if f'"{FIGURES}"' not in meta:
        return []
    try:
        kept = parse_json(meta)
    except ValueError:
        return []
    return stored_figures(kept.get(FIGURES) if isinstance(kept, dict) else None)


def stored_figures(kept: JsonValue) -> list[StoredFigure]:
    """Return the figures by what is kept of them; none if it is anything else."""
    entries = kept.get("figures") if isinstance(kept, dict) else None
    found = [_stored_figure(entry) for entry in entries] if isinstance(entries, list) else []
    return [figure for figure in found if figure is not None]


def _stored_figure(entry: JsonValue) -> StoredFigure | None:
    if not isinstance(entry, dict):
        return None
    numbers = [entry.get(name) for name in _NUMBERS]
    page, heading = entry.get("page"), entry.get("heading")
    is_right = all(type(number) is int and number >= 0 for number in numbers)
    if not is_right or type(page) not in {int, type(None)} or type(heading) not in {str, type(None)}:
        return None
    named: dict[str, Any] = dict(zip(_NUMBERS, numbers, strict=True))
    return StoredFigure(**named, page=page, heading=heading, vector=entry.get("vector"))  # type: ignore[arg-type]
