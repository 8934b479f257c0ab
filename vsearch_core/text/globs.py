"""Globs that a user writes: the language of a `.gitignore`, and braces."""

import os
import re
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from unicodedata import normalize

from vsearch_core.text.ignore import IgnoreRules

MAX_ALTERNATIVES = 1000  # globs that the braces of one glob stand for

# A class such as [a-z], [!a-z] or []a]; an escaped character; any other character but the start of a class.
_CLASS = r"\[[!^]?+(?:\\.|[^\\])(?:\\.|[^\]\\])*\]"
_WHOLE = re.compile(rf"(?:\\.|{_CLASS}|[^\\\[])*", re.DOTALL)
_TOKENS = re.compile(rf"\\.|{_CLASS}|.", re.DOTALL)


def is_utf8(path: str) -> bool:
    """Return True if a path, as Python decodes it, has no bytes that are not valid UTF-8 (lone surrogates)."""
    return path.isascii() or path.isprintable() or not any("\ud800" <= character <= "\udfff" for character in path)


def is_malformed(pattern: str) -> bool:
    """Return True if a glob has a "[" without its "]", or ends with a single backslash: then it matches nothing."""
    return _WHOLE.fullmatch(pattern) is None


def without_braces(pattern: str) -> list[str]:
    """Return the globs that a glob with braces stands for: "{a,b}/*" is "a/*" and "b/*".

    Braces nest. Braces without a comma or without a partner are ordinary characters, as in a shell. Raises ValueError
    if there are more than MAX_ALTERNATIVES.
    """
    tokens = _TOKENS.findall(pattern)
    pending, found = [tokens], list[str]()
    while pending:
        current = pending.pop()
        pair = _first_braces(current)
        if pair is None:
            found.append("".join(current))
        else:
            opening, commas, closing = pair
            bounds = [opening, *commas, closing]
            choices = [current[start + 1 : end] for start, end in pairwise(bounds)]
            pending += [[*current[:opening], *choice, *current[closing + 1 :]] for choice in reversed(choices)]
        if len(pending) + len(found) > MAX_ALTERNATIVES:
            raise ValueError(f"its braces stand for more than {MAX_ALTERNATIVES:,} globs")
    return found


def _first_braces(tokens: Sequence[str]) -> tuple[int, list[int], int] | None:
    """Return the positions of the first pair of braces with a comma: the opening one, its commas, the closing one."""
    open_braces: list[tuple[int, list[int]]] = []
    found: tuple[int, list[int], int] | None = None
    for at, token in enumerate(tokens):
        if token == "{":
            open_braces.append((at, []))
        elif token == "," and open_braces:
            open_braces[-1][1].append(at)
        elif token == "}" and open_braces:
            opening, commas = open_braces.pop()
            if commas and (found is None or opening < found[0]):
                found = opening, commas, at
    return found


def from_folder(pattern: str, root: str, folder: str) -> list[str]:
    """Return a glob, written by a user who stands in `folder`, as globs of the paths that an index stores.

    The glob may be relative to `root` or to `folder` ("deep/*", "../notes/*"), or absolute. As a name may contain
    characters that are special in a glob, such as "notes [2026]", one alternative takes them literally. `root` and
    `folder` are absolute. The alternatives of a glob that begins with "!" begin with it, too. Raises ValueError as
    `without_braces` does.
    """
    mark, body = ("!", pattern[1:]) if pattern.startswith("!") else ("", pattern)
    body = rf"\{body}" if body.startswith("#") else body  # no comment
    globs = without_braces(body)
    globs.append(re.sub(r"(?<!\\)([\[\]{}])", r"\\\1", body))
    alternatives: list[str] = []
    for glob in globs:
        is_from_here = glob.split("/")[0] in {".", ".."}
        if not is_from_here:
            alternatives.append(glob)
        if is_from_here or "/" in glob.rstrip("/"):
            alternatives += _anchored(glob, root, folder)
    return [mark + each for each in dict.fromkeys(alternatives)]


def _anchored(glob: str, root: str, folder: str) -> Iterator[str]:
    """Yield a glob that is absolute, or relative to `folder`, as an absolute one and as one relative to `root`."""
    parts = [] if glob.startswith("/") else [_escaped(part) for part in folder.split("/") if part]
    for part in glob.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in {"", "."}:
            parts.append(part)
    whole = "/" + "/".join(parts) + ("/" if glob.endswith("/") else "")
    yield whole
    for each in dict.fromkeys((root, os.path.realpath(root))):
        for start in dict.fromkeys((each, _escaped(each))):
            if whole.rstrip("/") == start.rstrip("/"):
                yield "/**"
            elif whole.startswith(start + "/"):
                yield whole.removeprefix(start)


def _escaped(name: str) -> str:
    """Return a glob that matches exactly this name or path."""
    return re.sub(r"([\\*?\[\]!#{} ])", r"\\\1", name)


class PathGlobs:
    """Globs that select paths.

    As in a `.gitignore`, the last glob that matches a path or a folder above it decides: the path is selected unless
    the glob begins with "!". A path that no glob matches is selected if all globs begin with "!". The Unicode
    composition of names doesn't matter.
    """

    def __init__(self, globs: Sequence[str]) -> None:
        """Parse the globs, which have no braces any more."""
        composed = (normalize("NFC", glob) for glob in globs)
        groups = [
            (selects, IgnoreRules(glob.removeprefix("!") for glob in group))
            for selects, group in groupby(composed, key=lambda glob: not glob.startswith("!"))
        ]
        self._otherwise = not any(selects for selects, _ in groups)
        self._groups = tuple((selects, rules, {"": False}) for selects, rules in reversed(groups))

    def select(self, path: str) -> bool:
        """Return True if the path of a file is selected: relative to the root with "/", or absolute."""
        composed = (path if path.isascii() else normalize("NFC", path)).removeprefix("/")
        folder, _, name = composed.rpartition("/")
        for selects, rules, folders in self._groups:
            if rules.verdict(composed, name, is_dir=False) or _match_folder(rules, folders, folder):
                return selects
        return self._otherwise


def _match_folder(rules: IgnoreRules, known: dict[str, bool], folder: str) -> bool:
    """Return True if the rules match the folder or one above it. `known` has the answers for earlier folders."""
    below: list[str] = []
    while folder not in known:
        below.append(folder)
        folder = folder.rpartition("/")[0]
    for each in reversed(below):
        known[each] = known[folder] or bool(rules.verdict(each, each.rpartition("/")[2], is_dir=True))
        folder = each
    return known[folder]
