"""The values that travel between the layers: frozen, and free of behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

JsonValue = str | int | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]


PAGE_BREAK = "\f"  # in a paged document's text, on a line of its own: the next page begins
LEFT_OUT = "vsearch_left_out"  # the metadata key under which an index keeps `Document.left_out`, where there is any


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a document's text that shares one place.

    `start` and `end` are character offsets into `Document.text` (end exclusive), `heading` the titles that enclose the
    stretch, outermost first, `page` the number, from 1, of its page, slide, sheet, cell, message or section (which of
    them, the format says), or None where the format has none.

    `kind` says where it may be cut: prose at paragraphs and sentences, rows between lines, code best not at all.
    `header` names the columns of rows; it is repeated before each chunk that begins below the span's first line.
    """

    start: int
    end: int
    heading: tuple[str, ...] = ()
    page: int | None = None
    kind: Literal["prose", "rows", "code"] = "prose"
    header: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """What an extractor makes of a file.

    `spans` are in order and do not overlap; text outside all of them (front matter, say) is not searched. `lines[i]` is
    the source line, from 1, of the i-th line of `text`; None means that the text's lines are the source's. `left_out`
    says in a few words each what of the file could not be read, or was too much ("page 3 can't be read").
    """

    text: str
    spans: tuple[Span, ...]
    title: str | None = None
    language: str | None = None
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    lines: tuple[int, ...] | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage: `document.text[start_char:end_char]`, below the header of the rows where one is repeated.

    Lines count from 1, both ends included.
    """

    text: str
    start_char: int
    end_char: int
    start_line: int
    end_line: int
    page: int | None
    heading: str | None


@dataclass(frozen=True, slots=True)
class KeywordFields:
    """What keywords find a passage by. `path` is as stored; `language` is what its file declares, if it does."""

    text: str
    path: str
    title: str | None
    heading: str | None
    language: str | None

    def fields(self) -> tuple[str, ...]:
        """The texts that are searched. Of a path outside the project's root, only the name: where it lies is chance."""
        path = self.path.rpartition("/")[2] if self.path.startswith("/") else self.path
        heading, title = self.heading or "", self.title or ""
        return self.text, "" if title in heading else title, heading, path


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """All that decides whether two vectors may be compared. A difference in any field refuses the comparison.

    `weights` is the sha256 of the weights' file (or a provider's model version), `pooling` how token vectors become
    one, `dimension` the vectors' length; the prefixes are put before each text by the embedder.
    """

    provider: str
    model: str
    weights: str
    dimension: int
    pooling: str
    query_prefix: str = ""
    document_prefix: str = ""


@dataclass(frozen=True, slots=True)
class EmbedderSpec:
    """What opens an embedder. `model` is a name or a folder, None the provider's default.

    `dimension` is asked of a provider that offers several and `base_url` says where it is; None leaves both to it.
    """

    provider: str
    model: str | None = None
    dimension: int | None = None
    base_url: str | None = None
