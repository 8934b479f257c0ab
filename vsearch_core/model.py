"""Immutable value types that several packages share: documents, chunks, and descriptions of embedders."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

JsonValue = str | int | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]

PAGE_BREAK = "\f"  # on a line of its own in a paged document's text: the next page begins
LEFT_OUT = "vsearch_left_out"  # the metadata key under which an index keeps `Document.left_out`, if it is not empty
FIGURES = "vsearch_figures"  # the metadata key for the figures of a document that an image model has seen
BOXES = "vsearch_boxes"  # the metadata key for `Document.boxes`; absent if no text was recognised in pictures
PICTURE = "vsearch_picture"  # the metadata key for `Document.picture`; absent if the file is no picture
HASH_BITS, HASH_WINDOWS = 360, 25  # of a picture's perceptual hash
READER = "vsearch_reader"  # the metadata key for the version of the extractor that read the file; 1 if absent
OWN_KEYS = frozenset({BOXES, FIGURES, LEFT_OUT, PICTURE, READER})  # of the metadata in an index, not the file's own


@dataclass(frozen=True, slots=True)
class Span:
    """A range of a document's text with one heading, one page and one kind of content.

    `start` and `end` are character offsets into `Document.text`; `end` is exclusive. `heading` has the titles of the
    enclosing sections, outermost first. `page` is the number, from 1, of the page, slide, sheet, cell, message or
    section, depending on the format; it is None if the format has none of them.

    `kind` decides where chunks may end: at paragraphs and sentences of "prose", at lines of "rows" (tables), and at
    blank lines of "code". `header` has the column names of a table; each further chunk of the table begins with it.
    """

    start: int
    end: int
    heading: tuple[str, ...] = ()
    page: int | None = None
    kind: Literal["prose", "rows", "code"] = "prose"
    header: str = ""


PARTS_OF_PAGE = 10_000  # the unit of `TextBox`: a page is this wide, and this high


@dataclass(frozen=True, slots=True)
class TextBox:
    """The place of a recognised line of text on its page or in its picture.

    The line is `Document.text[start:end]`. `page` is as in `Span`. The edges are in 10,000ths of the page's width and
    height, from its upper left corner.
    """

    start: int
    end: int
    page: int | None
    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """The size to which pictures are brought for an image model.

    A picture becomes `height` × `width` pixels; if `width` is None, its shorter side becomes `height` pixels. From its
    middle, `crop` (height, width) is then cut out, or nothing if that is None. `resample` is Pillow's number of the
    resampling filter.
    """

    height: int
    width: int | None
    crop: tuple[int, int] | None
    resample: int

    @property
    def shape(self) -> tuple[int, int]:
        """Return the height and width of the result; if neither width nor crop is known, those of a square."""
        return self.crop or (self.height, self.height if self.width is None else self.width)


@dataclass(frozen=True, slots=True)
class PictureSummary:
    """Properties of a picture file that are kept to compare it with others.

    `hash` has HASH_WINDOWS hashes of HASH_BITS bits; it is None for a picture of one colour, and for one that can't be
    decoded. `is_described` is False if nothing is written in or about the picture: its text then is the name of its
    file, its camera, date and size. `pixels` are those that an image model reads, (height, width, 3), if they were
    asked for and can be decoded.
    """

    hash: bytes | None
    is_described: bool
    pixels: bytes | None = None


@dataclass(frozen=True, slots=True)
class FigurePixels:
    """A picture inside a document, with the pixels that an image model reads.

    `start` and `end` are the offsets in the document's text of what is said about it. They are equal if nothing is: it
    then stands there. `page` is as in `Span`, and `titles` are the headings above it, the last one its own. `width` and
    `height` are those of the picture, in pixels. `pixels` are (height, width, 3) of a `PixelFormat`. `chunk` is the
    number of the chunk that begins with what is said about it, or else of the one before it, and `line` the source's
    line; both are 0 until the document is split.
    """

    start: int
    end: int
    page: int | None
    titles: tuple[str, ...]
    width: int
    height: int
    pixels: bytes
    chunk: int = 0
    line: int = 0


@dataclass(frozen=True, slots=True)
class Document:
    """A file's text with its structure and metadata, as an extractor read it.

    `spans` are in order and don't overlap. Text outside all spans, such as front matter, is not indexed. `lines[i]` is
    the line number in the file, from 1, of line `i` of `text`; `lines` is None if both have the same lines. `left_out`
    has a phrase for each part of the file that was not extracted, such as "page 3 can't be read". `boxes` has the
    places of the lines recognised in pictures, in the order of the text; it is None if no recognition was asked for.
    `picture` is None if the file is no picture. `figures` are the pictures inside it, if their pixels were asked for.
    """

    text: str
    spans: tuple[Span, ...]
    title: str | None = None
    language: str | None = None
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    lines: tuple[int, ...] | None = None
    left_out: tuple[str, ...] = ()
    boxes: tuple[TextBox, ...] | None = None
    picture: PictureSummary | None = None
    figures: tuple[FigurePixels, ...] = ()


@dataclass(frozen=True, slots=True)
class RawDocument:
    """A document that is no file, such as text from a pipe.

    `data` has the bytes that a file would have. The suffix of `name` says what kind of file.
    """

    name: str
    data: bytes


HEADING_SEPARATOR = " > "  # between the section titles in a chunk's heading


@dataclass(frozen=True, slots=True)
class Section:
    """The part of a chunk below one trail of titles, up to the next section or the chunk's end.

    `start_char` is the offset in the document at which it begins. `titles` are the titles above it, outermost first.
    """

    start_char: int
    titles: tuple[str, ...]

    @property
    def heading(self) -> str | None:
        """Return the titles, joined by " > ", or None if there are none."""
        return HEADING_SEPARATOR.join(self.titles) or None


def heading_at(sections: Sequence[Section], char: int) -> str | None:
    """Return the heading of the section that has this character of the document; the first section has all before it.

    There must be at least one section.
    """
    return sections[max(bisect_right(sections, char, key=lambda section: section.start_char) - 1, 0)].heading


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document, which is indexed and returned on its own.

    `text` is `document.text[start_char:end_char]`, after the table's header if the chunk continues a table. Line
    numbers start at 1, and `end_line` is inclusive. `heading` has the section titles above most of the text, joined by
    " > ". `sections` is empty if the whole text has the same titles, and in chunks that earlier versions stored.
    """

    text: str
    start_char: int
    end_char: int
    start_line: int
    end_line: int
    page: int | None
    heading: str | None
    sections: tuple[Section, ...] = ()

    @property
    def header_length(self) -> int:
        """Return the length of the header that is repeated before the file's own text.

        A text that was joined over a gap is shorter than its range in the file, and has none.
        """
        return max(0, len(self.text) - (self.end_char - self.start_char))

    def heading_at(self, position: int) -> str | None:
        """Return the heading above a position in `text`, in characters. It is approximate in text joined over a gap."""
        char = self.start_char + max(0, position - self.header_length)
        return heading_at(self.sections, char) if self.sections else self.heading


@dataclass(frozen=True, slots=True)
class KeywordFields:
    """The texts of a chunk that keyword search indexes, and the language that the chunk's file declares.

    `path` is as the index stores it: relative to the project's folder, or absolute for a file outside it.
    """

    text: str
    path: str
    title: str | None
    heading: str | None
    language: str | None

    def fields(self) -> tuple[str, ...]:
        """Return the texts to index: the chunk's text, title, heading and path.

        The title is "" if the heading contains it. An absolute path is reduced to the file's name.
        """
        path = self.path.rpartition("/")[2] if self.path.startswith("/") else self.path
        heading, title = self.heading or "", self.title or ""
        return self.text, "" if title in heading else title, heading, path


TEXT = "text"  # the name of the vector space of the chunks' texts
PICTURES = "pictures"  # the name of the vector space of pictures, in which an image model also has texts


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The identity of an embedder. Two vectors can be compared only if all fields of theirs are equal.

    `weights` is the SHA-256 of the file of weights, or a provider's model version. `dimension` is the length of the
    vectors. `pooling` names the method that combines token vectors into one. The embedder puts `query_prefix` before
    each query, and `document_prefix` before each document.
    """

    provider: str
    model: str
    weights: str
    dimension: int
    pooling: str
    query_prefix: str = ""
    document_prefix: str = ""


@dataclass(frozen=True, slots=True)
class InterimModels:
    """The static model that has made an index's interim vectors, and the one whose vectors replace them."""

    model: str
    coming: str


@dataclass(frozen=True, slots=True)
class EmbedderSpec:
    """A description of an embedder to open.

    `provider` is the kind of embedder, such as "local" or "openai". `model` is a model's name or folder, or None for
    the provider's default. `dimension` selects one of the vector lengths that a model offers. `base_url` is the address
    of a remote provider. None means the default.
    """

    provider: str
    model: str | None = None
    dimension: int | None = None
    base_url: str | None = None
