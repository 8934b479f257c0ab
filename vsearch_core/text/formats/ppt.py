"""Extracts text from presentations of PowerPoint before 2007 (PPT), as [MS-PPT] describes them.

A stream of records holds the document, its slides and notes. Each save may append new versions of them; a directory
says where the newest version of each stands.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from vsearch_core.model import Document
from vsearch_core.text.extract.builder import DocumentBuilder
from vsearch_core.text.extract.failures import damaged, encrypted
from vsearch_core.text.extract.options import ExtractOptions
from vsearch_core.text.extract.streams import Streams

KIND = "presentation"
STREAM = "PowerPoint Document"
_USER = "Current User"
_ENCRYPTED = 0xF3D1C4DF  # the token of the stream "Current User"
_EDIT, _DIRECTORY = 0x0FF5, 0x1772  # a save, and its directory
_DOCUMENT, _SLIDE, _NOTES = 0x03E8, 0x03EE, 0x03F0
_LIST, _LISTED = 0x0FF0, 0x03F3  # the list of slides or notes, and an entry of it
_SLIDES, _ALL_NOTES = 0, 2  # which list
_NOTES_OF = 0x03F1  # names the slide that notes belong to
_TEXT_TYPE, _WIDE_TEXT, _TEXT, _TEXT_OF_LIST = 0x0F9F, 0x0FA0, 0x0FA8, 0x0F9E
_COMMENT, _STRING, _TAGGED = 0x2EE0, 0x0FBA, 0x138B  # the last holds records, although it does not say so
_COMMENT_TEXT = 1  # which string of a comment
_TITLES, _NOTE, _OTHER = (0, 6), 2, 4  # types of text
_CONTAINER = 0xF  # the version of a record that holds records
_MAX_DEPTH, _MAX_EDITS = 30, 10_000
_MAX_RECORDS = 2_000_000
_PLAIN = str.maketrans({"\r": "\n", "\x0b": "\n", "\0": None})


@dataclass(frozen=True, slots=True)
class _Record:
    """A record: its kind, its number among records of this kind, and where its content stands in the stream."""

    kind: int
    instance: int
    is_container: bool
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Text:
    """A text of a slide, and its type: a title, body text, notes or something else."""

    kind: int
    text: str


def extract(name: str, data: bytes, options: ExtractOptions) -> Document:
    """Return the text of each slide below its title, with its notes and comments.

    Raises ExtractionError if the file can't be read.
    """
    streams = Streams(name, data, KIND, options.limits)
    user = streams.read(_USER)
    if len(user) >= 16 and struct.unpack_from("<I", user, 12)[0] == _ENCRYPTED:
        raise encrypted(name, "")
    reader = _Reader(streams.read(STREAM))
    builder = DocumentBuilder(name, options.limits)
    try:
        slides = reader.slides(struct.unpack_from("<I", user, 16)[0] if len(user) >= 20 else None)
        for number, texts in enumerate(slides[: options.limits.parts], 1):
            _add_slide(builder, number, texts)
    except (struct.error, RecursionError) as error:
        raise damaged(name, KIND, error) from None
    title, metadata = streams.properties()
    return builder.document(title, metadata=metadata)


def _add_slide(builder: DocumentBuilder, number: int, texts: list[_Text]) -> None:
    builder.start_page(number)
    builder.end_headings()
    title = next((each.text for each in texts if each.kind in _TITLES and each.text.strip()), "")
    if title:
        builder.heading(1, title)
    for each in texts:
        if each.text != title or each.kind not in _TITLES:
            builder.add(each.text)


class _Reader:
    """Reads the records of the stream of a presentation. Raises struct.error if they are damaged."""

    def __init__(self, stream: bytes) -> None:
        self._stream = stream
        self._left = _MAX_RECORDS

    def slides(self, edit: int | None) -> list[list[_Text]]:
        """Return the texts of each slide in order. `edit` is the offset of the last save.

        If the directory is damaged, return the slides in the order in which they are stored.
        """
        places = {} if edit is None else self._places(edit)
        top = [self._record(place) for place in places.values()]
        document = next((record for record in top if record.kind == _DOCUMENT), None)
        if document is None:
            stored = self._records(0, len(self._stream))
            return [self._texts(record, []) for record in stored if record.kind == _SLIDE]
        notes = self._notes([record for record in top if record.kind == _NOTES])
        found: list[list[_Text]] = []
        for number, identifier, listed in self._listed(document):
            place = places.get(number)
            record = None if place is None else self._record(place)
            is_slide = record is not None and record.kind == _SLIDE
            texts = self._texts(record, listed) if record is not None and is_slide else listed
            found.append(texts + notes.get(identifier, []))
        return found

    def _places(self, edit: int) -> dict[int, int]:
        """Return the offset of each object by its number, from the directories of all saves, the newest first."""
        places: dict[int, int] = {}
        for _ in range(_MAX_EDITS):
            record = self._record(edit)
            if record.kind != _EDIT:
                break
            _, _, earlier, directory = struct.unpack_from("<4I", self._stream, record.start)
            entries = self._record(directory)
            at = entries.start
            while entries.kind == _DIRECTORY and at + 4 <= entries.end:
                (head,) = struct.unpack_from("<I", self._stream, at)
                first, count = head & 0xFFFFF, min(head >> 20, (entries.end - at - 4) // 4)
                for number, place in enumerate(struct.unpack_from(f"<{count}I", self._stream, at + 4), first):
                    places.setdefault(number, place)
                at += 4 + 4 * count
            if not 0 < earlier < edit:
                break
            edit = earlier
        return places

    def _listed(self, document: _Record) -> Iterator[tuple[int, int, list[_Text]]]:
        """Yield for each slide in order its object's number, its identifier, and the texts that the list holds."""
        for record in self._records(document.start, document.end):
            if record.kind != _LIST or record.instance != _SLIDES:
                continue
            current: tuple[int, int, list[_Text]] | None = None
            kind = _OTHER
            for entry in self._records(record.start, record.end):
                if entry.kind == _LISTED:
                    if current is not None:
                        yield current
                    number, _, _, identifier = struct.unpack_from("<4I", self._stream, entry.start)
                    current = (number, identifier, [])
                elif entry.kind == _TEXT_TYPE:
                    kind = self._number(entry)
                elif current is not None and entry.kind in {_TEXT, _WIDE_TEXT}:
                    current[2].append(_Text(kind, self._text(entry)))
            if current is not None:
                yield current

    def _notes(self, records: list[_Record]) -> dict[int, list[_Text]]:
        """Return the speaker's notes by the identifier of the slide."""
        notes: dict[int, list[_Text]] = {}
        for record in records:
            owner = next((each for each in self._records(record.start, record.end) if each.kind == _NOTES_OF), None)
            if owner is not None:
                said = [text for text in self._texts(record, []) if text.kind == _NOTE]
                notes[self._number(owner)] = said
        return notes

    def _texts(self, slide: _Record, listed: list[_Text]) -> list[_Text]:
        """Return the texts in the drawing of a slide, and those of the list that the drawing doesn't name."""
        found: list[_Text] = []
        unnamed = dict(enumerate(listed))
        kind = _OTHER
        stack = [self._records(slide.start, slide.end)]
        comment_end = 0
        while stack:
            record = next(stack[-1], None)
            if record is None:
                stack.pop()
                continue
            if record.is_container or record.kind == _TAGGED:
                if record.kind == _COMMENT:
                    comment_end = record.end
                if len(stack) < _MAX_DEPTH:
                    stack.append(self._records(record.start, record.end))
            elif record.kind == _TEXT_TYPE:
                kind = self._number(record)
            elif record.kind in {_TEXT, _WIDE_TEXT}:
                found.append(_Text(kind, self._text(record)))
            elif record.kind == _TEXT_OF_LIST and self._number(record) in unnamed:
                found.append(unnamed.pop(self._number(record)))
            elif record.kind == _STRING and record.instance == _COMMENT_TEXT and record.end <= comment_end:
                found.append(_Text(_OTHER, self._text(record)))
        return [*found, *unnamed.values()]

    def _text(self, record: _Record) -> str:
        content = self._stream[record.start : record.end]
        encoding = "latin-1" if record.kind == _TEXT else "utf-16-le"
        return content.decode(encoding, errors="replace").translate(_PLAIN)

    def _number(self, record: _Record) -> int:
        return int(struct.unpack_from("<I", self._stream, record.start)[0])

    def _records(self, start: int, end: int) -> Iterator[_Record]:
        """Yield the records from `start` to `end`. The last one ends at `end` even if it says that it is longer."""
        while start + 8 <= end and self._left > 0:
            self._left -= 1
            record = self._record(start, end)
            yield record
            start = record.end

    def _record(self, start: int, end: int | None = None) -> _Record:
        if start + 8 > len(self._stream):
            return _Record(0, 0, is_container=False, start=len(self._stream), end=len(self._stream))
        head, kind, size = struct.unpack_from("<HHI", self._stream, start)
        last = min(start + 8 + size, len(self._stream) if end is None else end)
        return _Record(kind, head >> 4, head & 0xF == _CONTAINER, start + 8, last)
