"""Find an indexed file, and lines or a page of it, by the name that a user types or that a hit shows."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from unicodedata import normalize

from vsearch_core.errors import InputError
from vsearch_core.index.figures import StoredFigure, figures_of
from vsearch_core.index.sources import documents_folder, stored_path
from vsearch_core.store.catalog import CatalogReader
from vsearch_core.text.extract.registry import MEMBER, place_of, unit_of
from vsearch_core.text.globs import is_utf8

MOST_COMPARED = 20_000  # names that a misspelled one is compared with: about 0.2 s

_LINES = re.compile(r"(.+):([1-9]\d{0,8})(?:(-)([1-9]\d{0,8})?)?", re.DOTALL)
_MEMBER_MARK = re.compile(r"(?<=.)!(?=.)", re.DOTALL)  # archive.zip!path
_PAGE = re.compile(r"(.+)#page=([1-9]\d{0,8})", re.DOTALL)
_UNIT = re.compile(r"(.+?),?[ ]{1,2}([a-z]+) ([1-9]\d{0,8})", re.DOTALL)  # as a hit shows it: a.pdf  page 3
_ROWS = re.compile(r"(.+?)[ ]{1,2}(?:'((?:[^']|'')+)'|([^\W\d]\w*))!([1-9]\d{0,8}):([1-9]\d{0,8})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class NamedPlace:
    """The name of a file, with what follows it: lines, a page, a sheet, or the path of a file in an archive.

    `shown` is any other place as a hit shows it, such as "page 3, figure 2". What is not named is None. Of a place that
    was found in a file (see `FileFinder.find_place`), `shown` adds nothing to the page and the lines.
    """

    name: str
    first: int | None = None
    last: int | None = None
    page: int | None = None
    sheet: str | None = None
    member: str | None = None
    shown: str | None = None


@dataclass(frozen=True, slots=True)
class FileFinder:
    """Finds live files of a catalog by name.

    Names are relative to `folder`, else to `root`, the folder that the index's paths start from, else to the folder of
    documents that the index keeps, else to one of `more_roots`.
    """

    catalog: CatalogReader
    root: Path
    folder: Path
    more_roots: tuple[Path, ...] = ()

    def find(self, name: str) -> str | None:
        """Return the stored path of a file, or None if the index doesn't hold it.

        A name need not be composed of the same Unicode characters, and may go through symbolic links.
        """
        spellings = list(dict.fromkeys(self._spellings(name)))
        for spelling in spellings:
            if is_utf8(spelling) and self.catalog.has_file(spelling):
                return spelling
        if name.isascii():
            return None
        by_composed = {normalize("NFC", path): path for path in self.catalog.live_paths() if not path.isascii()}
        composed = (by_composed.get(normalize("NFC", spelling)) for spelling in spellings)
        return next((path for path in composed if path is not None), None)

    def _spellings(self, name: str) -> Iterator[str]:
        """Yield the paths under which the index may store a file of that name."""
        path = Path(os.path.abspath(self.folder / name))  # noqa: PTH100 - Path.resolve follows links
        yield stored_path(self.root, path)
        yield os.path.normpath(name) if name else name
        yield name
        if name and not name.startswith("/"):
            yield stored_path(self.root, documents_folder(self.catalog.index) / name)
        for root in self.more_roots:
            yield stored_path(self.root, Path(os.path.abspath(root / name)))  # noqa: PTH100
        try:
            yield stored_path(self.root.resolve(), path.resolve())
        except (OSError, ValueError):  # a loop of links, a name too long for the system, or one with NUL
            return

    def find_place(self, text: str) -> tuple[str, NamedPlace]:
        """Return the stored path of the file that "FILE", "FILE:LINE" or the like names, and the place in it.

        A file of the whole name comes first. Raises InputError, with the names that are nearest, and for a place that
        the file doesn't have.
        """
        for place in readings(text):
            path = self.find(place.name)
            if path is not None and (place.sheet is None or unit_of(path) == "sheet"):
                return path, place if place.shown is None else self._resolved(text, path, place)
        raise self._not_indexed(text, [place.name for place in readings(text)][-1])

    def _resolved(self, text: str, path: str, place: NamedPlace) -> NamedPlace:
        """Return the page and lines of the chunks that are at a place as hits show it."""
        chunks = self.catalog.chunk_places(path)
        inside = [
            each
            for each in chunks
            if place_of(path, each.page, each.heading, (each.start_line, each.end_line)) == place.shown
        ]
        if not inside:
            figure = self._figure(path, place.shown)
            if figure is None:
                raise InputError(text, "the index holds no text of it", "no-text")
            line = figure.line if figure.page is None else None
            return replace(place, first=line, last=line, page=figure.page)
        first, last = min(each.start_line for each in inside), max(each.end_line for each in inside)
        return replace(place, first=first, last=last, page=inside[0].page)

    def _figure(self, path: str, shown: str | None) -> StoredFigure | None:
        """Return the figure at a place of a file about which nothing is said, or None."""
        facts = self.catalog.file_facts(path)
        figures = [] if facts is None else figures_of(facts.meta)
        at = ((each, place_of(path, each.page, each.heading, (each.line, each.line))) for each in figures)
        return next((figure for figure, place in at if place == shown), None)

    def require(self, name: str) -> str:
        """Return the stored path of a file. Raises InputError, with the names that are nearest."""
        path = self.find(name)
        if path is None:
            raise self._not_indexed(name, name)
        return path

    def _not_indexed(self, subject: str, name: str) -> InputError:
        near = self.nearest(name)
        reason = "is not in the index"
        if near:
            reason += f" (the nearest {'name is' if len(near) == 1 else 'names are'} {', '.join(near)})"
        return InputError(subject, reason, "not-indexed", near=list(near))

    def nearest(self, name: str, most: int = 3) -> tuple[str, ...]:
        """Return the stored paths whose names are most like the given one: equal names in other folders first."""
        wanted = normalize("NFC", name.rstrip("/").rpartition("/")[2]).casefold()
        by_name: dict[str, list[str]] = {}
        for path in self.catalog.live_paths():
            by_name.setdefault(normalize("NFC", path.rpartition("/")[2]).casefold(), []).append(path)
        names = [wanted] if wanted in by_name else get_close_matches(wanted, list(by_name)[:MOST_COMPARED], most, 0.7)
        return tuple(path for each in names for path in by_name[each])[:most]


def readings(text: str) -> Iterator[NamedPlace]:
    """Yield what a name may mean: a file of that name, else a file with lines, a page or rows of a sheet."""
    yield NamedPlace(text)
    for mark in _MEMBER_MARK.finditer(text):
        archive, member = text[: mark.start()], text[mark.end() :]
        if unit_of(archive) != MEMBER:
            continue
        if found := _LINES.fullmatch(member):
            yield NamedPlace(archive, int(found[2]), _last_line(found), member=found[1])
        else:
            yield NamedPlace(archive, member=member)
    if found := _LINES.fullmatch(text):
        yield NamedPlace(found[1], int(found[2]), _last_line(found))
    if found := _PAGE.fullmatch(text):
        yield NamedPlace(found[1], page=int(found[2]))
    if (found := _UNIT.fullmatch(text)) and unit_of(found[1]) == found[2]:
        yield NamedPlace(found[1], page=int(found[3]))
    if found := _ROWS.fullmatch(text):
        sheet = found[2].replace("''", "'") if found[2] else found[3]
        yield NamedPlace(found[1], int(found[4]), int(found[5]), sheet=sheet)
    name, blanks, shown = text.rpartition("  ")
    if name and blanks:
        yield NamedPlace(name, shown=shown)


def _last_line(found: re.Match[str]) -> int | None:
    """Return the last line that a match of `_LINES` names; None for an open range such as "3-"."""
    return int(found[4]) if found[4] else None if found[3] else int(found[2])
