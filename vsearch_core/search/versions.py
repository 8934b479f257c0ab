"""Versions of one document: which file is a newer version of another.

Two files are versions of one document if three things hold. Their paths, or their titles within one folder, are equal
but for dates and version numbers ("policy-2025.md", "2026/policy.md", "report_v2"). A date or a version number, in the
path or in the front matter, says which is newer. And their texts have runs of words in common, or one says in its
front matter that it supersedes the other. Plain numbers ("chapter-2", "invoice 17") are no versions.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from unicodedata import normalize

from vsearch_core.json_text import parse_json
from vsearch_core.model import JsonValue
from vsearch_core.search.shingles import Shingles, containment, shingles
from vsearch_core.store.catalog import CatalogReader, FileFacts

MOST_SIBLINGS = 200  # files whose names are compared with one file's, the last in the order of paths
MOST_COMPARED = 8  # newer files whose texts are compared with one file's
CHUNKS_COMPARED = 40  # of each of two files
# The least share of the smaller text's five-word runs that versions share. Works of one kind that are dated to the
# month or the day, such as minutes, follow a template, and share more: docs/adr/0038-versions.md has the figures.
LEAST_SHARED, LEAST_SHARED_DATED = 0.1, 0.5

_DATE = re.compile(
    r"(?<![\d.])(?P<year>(?:19|20)\d\d)(?:[-_.]?(?P<month>0[1-9]|1[0-2])(?:[-_.]?(?P<day>0[1-9]|[12]\d|3[01]))?)?(?!\d)"
    r"|(?<![\d.])(?P<d>0?[1-9]|[12]\d|3[01])\.(?P<m>0?[1-9]|1[0-2])\.(?P<y>(?:19|20)\d\d)(?!\d)"
)
_VERSION = re.compile(
    r"(?:^|(?<=[-_. (/]))(?:v|ver|version|rev|revision|draft|edition)[-_. ]?"
    r"(?P<number>\d{1,6}(?:\.\d{1,6}){0,3})(?![a-z\d])"
)
_NO_LETTERS = re.compile(r"[\W\d_]+")
_SEPARATORS = re.compile(r"[-_.\s()]+")
_RECORDS = re.compile(  # each of these is a document of its own, though it is dated and follows a template
    r"invoice|receipt|\bbill|statement|minutes|meeting|journal|diary|\blogs?\b|newsletter|\borders?\b|payslip|timesheet"
    r"|standup|daily|weekly|monthly|rechnung|quittung|protokoll|tagebuch|facture|factura|compte-rendu"
)
_DATE_KEYS = ("effective", "effective_date", "valid_from", "date", "updated", "last_updated", "modified")
_VERSION_KEYS = ("version", "revision", "edition")
_SUPERSEDES_KEYS = ("supersedes", "replaces")

_RECENCY = re.compile(
    r"\b(?:now|nowadays|current|currently|latest|newest|most recent|today|these days|this year|up[- ]to[- ]date"
    r"|in force|as of (?:now|today|20\d\d)|(?:since|from|after) 20\d\d"
    r"|aktuell\w*|derzeit\w*|jetzt|heute|momentan|neueste\w*"
    r"|seit 20\d\d|actuellement|maintenant|aujourd.hui|en vigueur|depuis 20\d\d|actualmente|ahora|hoy|vigente"
    r"|desde 20\d\d|attualmente|adesso|oggi|сейчас|сегодня|текущ\w*|актуальн\w*)\b|现在|目前|最新|当前|現在|今の",
    re.IGNORECASE,
)

Moment = tuple[int, ...]


def asks_for_newest(text: str) -> bool:
    """Return True if a query's words ask for the present state: "now", "current", "latest", "since 2026"."""
    return _RECENCY.search(text) is not None


@dataclass(frozen=True, slots=True)
class VersionedName:
    """A path or a title without its dates and version numbers, and these; () for what it lacks."""

    family: str
    date: Moment
    version: Moment


def versioned_name(text: str) -> VersionedName:
    """Return the name in the parts that tell versions apart. The suffix of a file's path must be gone already."""
    text = normalize("NFC", text).casefold()
    dates = [_moment(match) for match in _DATE.finditer(text)]
    rest = _DATE.sub(" ", text)
    versions = [_numbers(match["number"]) for match in _VERSION.finditer(rest)]
    family = "/".join(_SEPARATORS.sub(" ", part).strip() for part in _VERSION.sub(" ", rest).split("/"))
    return VersionedName(family, dates[-1] if dates else (), versions[-1] if versions else ())


def _moment(match: re.Match[str]) -> Moment:
    parts = (match["year"], match["month"], match["day"]) if match["year"] else (match["y"], match["m"], match["d"])
    return tuple(int(part) for part in parts if part)


def _numbers(text: str) -> Moment:
    return tuple(int(part) for part in re.findall(r"\d{1,6}", text)[:4])


@dataclass(frozen=True, slots=True)
class FileVersion:
    """A file's names without dates and versions, and its date and version number.

    `title` is "" if the file has none that is more than a word. `supersedes` are the names of the files that its front
    matter says it replaces.
    """

    path: str
    folder: str
    name: str
    title: str
    date: Moment
    version: Moment
    supersedes: tuple[str, ...]

    @property
    def is_record(self) -> bool:
        """True if the names say that the file is one of a series, such as an invoice or minutes."""
        return bool(_RECORDS.search(self.name) or _RECORDS.search(self.title))

    def is_sibling(self, other: "FileVersion") -> bool:
        """Return True if both may be versions of one document by their names."""
        if self.is_record or other.is_record:
            return False
        by_title = self.folder == other.folder and bool(self.title) and self.title == other.title
        return bool(self.name.rpartition("/")[2]) and (self.name == other.name or by_title)

    def is_newer_than(self, other: "FileVersion") -> bool:
        """Return True if a date, or else a version number, that both have says so."""
        size = min(len(self.date), len(other.date))
        if size and self.date[:size] != other.date[:size]:
            return self.date[:size] > other.date[:size]
        return bool(self.version and other.version) and self.version > other.version

    def replaces(self, other: "FileVersion") -> bool:
        """Return True if the file's front matter names the other one as superseded."""
        return bool({other.path, other.path.rpartition("/")[2]} & set(self.supersedes))


def file_version(file: FileFacts) -> FileVersion:
    """Return what tells the version of a file: its path first, then its title and its front matter."""
    folder = file.path.rpartition("/")[0]
    by_path = versioned_name(_stem(file.path))
    by_title = versioned_name(file.title or "")
    meta = _front_matter(file.meta)
    date = by_path.date or _first(meta, _DATE_KEYS, lambda text: versioned_name(text).date) or by_title.date
    version = by_path.version or _first(meta, _VERSION_KEYS, _numbers) or by_title.version
    supersedes = tuple(name for key in _SUPERSEDES_KEYS for name in _texts(meta.get(key)))
    title = by_title.family if " " in by_title.family else ""
    return FileVersion(file.path, folder, by_path.family, title, date, version, supersedes)


def _front_matter(meta: str) -> Mapping[str, JsonValue]:
    try:
        values = parse_json(meta)
    except ValueError:
        return {}
    return {str(key).casefold(): value for key, value in values.items()} if isinstance(values, dict) else {}


def _texts(value: JsonValue | None) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [str(each) for each in values if isinstance(each, str | int | float) and not isinstance(each, bool)]


def _first(meta: Mapping[str, JsonValue], keys: Sequence[str], read: Callable[[str], Moment]) -> Moment:
    found = (read(text[:40]) for key in keys for text in _texts(meta.get(key)))
    return next((moment for moment in found if moment), ())


class NewerVersions:
    """Finds the newest version of files, and keeps what it has found: one snapshot's files don't change."""

    def __init__(self, catalog: CatalogReader, texts: Callable[[str, int], Iterable[str]]) -> None:
        """Look in the catalog; `texts(path, count)` returns the texts of a file's first chunks."""
        self._catalog = catalog
        self._texts = texts
        self._newest: dict[str, str | None] = {}
        self._shingles: dict[str, Shingles] = {}

    def newest_of(self, path: str) -> str | None:
        """Return the path of the newest version of a file, or None if there is no newer one, or nothing tells."""
        if path not in self._newest:
            self._newest[path] = self._find_newest(path)
        return self._newest[path]

    def _find_newest(self, path: str) -> str | None:
        facts = self._catalog.file_facts(path)
        if facts is None:
            return None
        own = file_version(facts)
        if not (own.date or own.version) or own.is_record:
            return None
        neighbours = self._catalog.neighbouring_files(*_search_range(path), MOST_SIBLINGS)
        letters = _letters(_stem(path)), _letters(facts.title or "")
        siblings = [  # parsing names takes time: only those with the same letters
            file_version(each)
            for each in neighbours
            if letters[0] == _letters(_stem(each.path)) or (letters[1] and letters[1] == _letters(each.title or ""))
        ]
        newer = [each for each in siblings if each.path != path and each.is_sibling(own) and each.is_newer_than(own)]
        newer.sort(key=lambda each: (each.date, each.version), reverse=True)
        return next((each.path for each in newer[:MOST_COMPARED] if self._are_versions(own, each)), None)

    def _are_versions(self, own: FileVersion, newer: FileVersion) -> bool:
        """Return True if the texts, or the newer file's front matter, say that it is a version of the own file."""
        if newer.replaces(own):
            return True
        dated = all(len(versioned_name(each.path).date) > 1 for each in (own, newer))
        shared = containment(self._shingles_of(own.path), self._shingles_of(newer.path))
        return shared >= (LEAST_SHARED_DATED if dated else LEAST_SHARED)

    def _shingles_of(self, path: str) -> Shingles:
        if path not in self._shingles:
            self._shingles[path] = shingles("\n".join(self._texts(path, CHUNKS_COMPARED)))
        return self._shingles[path]


def _stem(path: str) -> str:
    """Return a path without its suffix."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/{name.rpartition('.')[0] or name}"


def _letters(name: str) -> str:
    return _NO_LETTERS.sub("", name.casefold())


def _search_range(path: str) -> tuple[str, str]:
    """Return the beginning of the paths of a file's versions, and a part of what follows in them."""
    places = [match.span() for pattern in (_DATE, _VERSION) for match in pattern.finditer(path.lower())]
    folder, stem = path[: path.rfind("/") + 1], _stem(path).removeprefix("" if "/" in path else "/")
    if not places or len(path.lower()) != len(path):
        return folder, ""
    start, end = min(start for start, _ in places), max(end for _, end in places)
    return path[:start].rstrip("-_. ("), stem[end:].strip("-_. ()")
