"""Ignore rules as in a `.gitignore`. They decide for each file or folder whether it is left out.

As in git, a rule is tested only against the entry itself, not against the folders above it. That is enough, because an
ignored folder is never entered. The package pathspec converts the patterns to regular expressions. Its class
`GitIgnoreSpec` can't be used here, because it matches whole file paths: after `*` and `!*/` it ignores every folder.
"""

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

# Longer patterns match nothing: pathspec takes time with the square of a pattern's length.
MAX_PATTERN = 500  # characters
MAX_CLASSES = 40  # of characters, as "[ab]"

# The regexes that pathspec writes for `*`, for `/**` before a slash, and for a pattern that may match at any depth.
_STAR, _ANY_FOLDERS, _ANYWHERE = "[^/]*", "(?:/.+)?", "^(?:.+/)?"
_NEGATED = re.compile(r"(?<!\\)\[\^(?!/)")  # a negated class


@dataclass(frozen=True, slots=True)
class _Pattern:
    regex: re.Pattern[str]
    on_name: bool  # matched against the entry's name rather than its path
    dir_only: bool
    ignores: bool


class IgnoreRules:
    """The rules of a folder's ignore files, or of `DiscoverOptions.exclude`. The last rule that matches decides."""

    def __init__(self, lines: Iterable[str]) -> None:
        """Parse the lines of ignore files. Comments and invalid patterns are skipped."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # re warns of "[[", which is right in a glob
            parsed = [pattern for line in lines if (pattern := _parse(line)) is not None]
            self._patterns = parsed[::-1]
            # Most entries match nothing: one regex over all patterns settles those in one call.
            self._any_name = _any_of(pattern.regex for pattern in parsed if pattern.on_name)
            self._any_path = _any_of(pattern.regex for pattern in parsed if not pattern.on_name)

    def __bool__(self) -> bool:
        """Return True if there is at least one valid rule."""
        return bool(self._patterns)

    def verdict(self, path: str, name: str, is_dir: bool) -> bool | None:
        """Return True if the entry is ignored, False if a `!` rule includes it again, None if no rule matches.

        Args:
            path: The entry's path relative to the folder of the rules, with `/` between its parts.
            name: The last part of `path`.
            is_dir: True if the entry is a folder.
        """
        if not (self._any_name.match(name) or self._any_path.match(path)):
            return None
        for pattern in self._patterns:
            if (is_dir or not pattern.dir_only) and pattern.regex.fullmatch(name if pattern.on_name else path):
                return pattern.ignores
        return None


def _parse(line: str) -> _Pattern | None:
    body = line.rstrip("\r\n")
    if not body.endswith("\\ "):
        body = body.rstrip()
    if not body or body.startswith("#") or len(body) > MAX_PATTERN or body.count("[") > MAX_CLASSES:
        return None
    ignores = not body.startswith("!")
    body = body.removeprefix("!")
    dir_only = body.endswith("/")
    body = body.removesuffix("/")
    while "**/**" in body:
        body = body.replace("**/**", "**")
    if body.startswith("**/") and "/" not in body[3:]:
        body = body[3:]  # at any depth, as a bare name
    on_name = "/" not in body
    body = body.removeprefix("/")
    if body == "**":
        body, on_name = "*", True
    elif body.endswith("/**"):
        body += "/*"  # the content, at any depth, but not the folder itself
    regex = _compile(body) if body else None
    return _Pattern(regex, on_name, dir_only, ignores) if regex else None


def _compile(body: str) -> re.Pattern[str] | None:
    """Return a regex that fully matches what the pattern matches, or None if the pattern can't match anything."""
    from pathspec.patterns.gitignore.basic import GitIgnoreBasicPattern

    try:
        # The leading slash anchors: whether to match the name or the path is decided already.
        regex, _ = GitIgnoreBasicPattern.pattern_to_regex("/" + body)
        return re.compile(without_backtracking(regex), re.DOTALL) if regex else None
    except (ValueError, re.error):
        return None


def without_backtracking(regex: str) -> str:
    """Rewrite a regex that pathspec made from a glob, so that matching never takes exponential time. Return it.

    The result matches the same paths. As in `fnmatch.translate`, atomic groups prevent backtracking: the text between
    two stars has a fixed length, so its leftmost match is as good as any other. The same holds for whole path
    components between two `**`.
    """
    regex = _NEGATED.sub("[^/", regex)  # as git has it: a class matches no slash
    parts = [_keep_leftmost_in_component(part) for part in regex.split(_ANY_FOLDERS)]
    if len(parts) == 1:
        return parts[0]
    first, *middle, last = parts
    if first.startswith(_ANYWHERE):
        first = f"^(?>(?:.+?/)??{first.removeprefix(_ANYWHERE)}(?=/))"
    kept = "".join(f"(?>(?:/.+?)??{part}(?=/))" for part in middle)
    return f"{first}{kept}{_ANY_FOLDERS}{last}"


def _keep_leftmost_in_component(regex: str) -> str:
    first, *others = regex.split(_STAR)
    for number, part in enumerate(others):
        is_between_stars = number + 1 < len(others) and "/" not in part.replace("[^/]", "")
        first += f"(?>[^/]*?{part})" if is_between_stars else _STAR + part
    return first


def _any_of(regexes: Iterable[re.Pattern[str]]) -> re.Pattern[str]:
    alternatives = "|".join(f"(?:{regex.pattern})" for regex in regexes)
    return re.compile(alternatives or r"(?!)", re.DOTALL)
