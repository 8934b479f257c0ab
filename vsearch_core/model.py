"""Immutable values that several layers share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

JsonValue = str | int | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]

PAGE_BREAK = "\f"  # on a line of its own in a paged document's text: the next page begins
LEFT_OUT = "vsearch_left_out"  # the metadata key under which an index keeps `Document.left_out`, if it is not empty


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a document's text below one heading, on one page, and of one kind.

    `start` and `end` are character offsets into `Document.text` (end exclusive). `heading` has the titles of the
    enclosing sections, outermost first. `page` is the number, from 1, of the page, slide, sheet, cell, message or
    section, depending on the format; None if the format has none of them.

    `kind` determines where chunks may end: prose at paragraphs and sentences, rows between lines, code preferably
    nowhere. `header` names the columns of rows; it is repeated before each chunk that begins below the first line.
    """

    start: int
    end: int
    heading: tuple[str, ...] = ()
    page: int | None = None
    kind: Literal["prose", "rows", "code"] = "prose"
    header: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A file's text, as an extractor read it, with its structure and metadata.

    `spans` are in order and do not overlap; text outside all of them, such as front matter, is not indexed. `lines[i]`
    is the source line, from 1, of the i-th line of `text`; None means that the text's lines are the source's.
    `left_out` has a phrase for each part of the file that was not extracted ("page 3 can't be read").
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
    """A piece of a document: `document.text[start_char:end_char]`, after the repeated header of rows, if any.

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
    """The texts in which keyword search finds a chunk, and the language that its file declares; `path` is as stored."""

    text: str
    path: str
    title: str | None
    heading: str | None
    language: str | None

    def fields(self) -> tuple[str, ...]:
        """Return the texts to index, without a title that the heading repeats and folders outside the project."""
        path = self.path.rpartition("/")[2] if self.path.startswith("/") else self.path
        heading, title = self.heading or "", self.title or ""
        return self.text, "" if title in heading else title, heading, path


TEXT = "text"  # the vector space of the chunks' texts, the only one there is


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Identifies what made a vector: two vectors can be compared only if all fields are equal.

    `weights` is the sha256 of the weights' file, or a provider's model version; `pooling` names how token vectors are
    combined; `dimension` is the vectors' length. The embedder puts the prefixes before each text.
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
    """Says which embedder to open. `model` is a name or a folder, or None for the provider's default.

    `dimension` selects one of a provider's vector lengths, `base_url` gives its address; None means the default.
    """

    provider: str
    model: str | None = None
    dimension: int | None = None
    base_url: str | None = None
