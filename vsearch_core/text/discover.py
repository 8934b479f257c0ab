"""Finds the files to index in the given files and folders, in a stable order.

Paths are strings here and become `Path` objects only in results, because creating a `Path` takes longer than the system
calls for a file.
"""
# ruff: noqa: PTH100, PTH110, PTH112, PTH116, PTH119, PTH120

import errno
import os
import re
import stat
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vsearch_core import config
from vsearch_core.errors import InputError
from vsearch_core.regular_files import file_kind, open_regular
from vsearch_core.text.globs import is_malformed, is_utf8, without_braces
from vsearch_core.text.ignore import IgnoreRules, without_backtracking

IGNORE_FILES = (".gitignore", ".ignore", ".vsearchignore")  # a later one overrides an earlier one
MAX_RULES_BYTES = 1_000_000  # the maximum size of an ignore file
UNSEARCHED = frozenset({".git", ".hg", ".svn", ".bzr", "CVS", "_darcs", config.INDEX_DIR})


@dataclass(frozen=True, slots=True)
class DiscoverOptions:
    """Options that decide which files are found.

    Attributes:
        include: Patterns as in a .gitignore, for paths relative to the given folder. Only matching files are found;
            an empty tuple means all files.
        exclude: Patterns of the same form. Matching files and folders are left out, even if `include` matches them.
        use_ignore_files: True to follow .gitignore, .ignore and .vsearchignore files.
        max_file_size: The size in bytes above which a file is skipped.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    use_ignore_files: bool = True
    max_file_size: int = config.MAX_FILE_SIZE


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that was found.

    Attributes:
        name: Its absolute path; symbolic links in it are not resolved.
        size: Its size in bytes.
        mtime_ns: The time of its last change, in ns since the epoch. Programs can set it.
        ctime_ns: The time of its last change of content or attributes. Only the system sets it.
    """

    name: str
    size: int
    mtime_ns: int
    ctime_ns: int

    @property
    def path(self) -> Path:
        """Return its absolute path. A run may find a million files, and a `Path` for each would take 300 MB."""
        return Path(self.name)

    @property
    def stamp(self) -> tuple[int, int, int]:
        """Return (size, mtime_ns, ctime_ns). If they are unchanged, the file's content is assumed to be unchanged.

        The exception is a change within the clock's resolution; see `index.sources.settled_ctime`.
        """
        return self.size, self.mtime_ns, self.ctime_ns


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or link that isn't read because of its kind or size, such as a pipe or a huge file. Not an error."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A folder or file that can't be read, for example because of its permissions. It counts as an error of the run."""

    path: Path
    reason: str


Found = SourceFile | Skipped | Unreadable


def discover(paths: Sequence[Path], options: DiscoverOptions) -> Iterator[Found]:
    """Find the files in the given files and folders. Yield each file once, sorted by name within each folder.

    Hidden files, folders of version control systems and ignored files are left out silently. Symbolic links are
    followed last. A file in `paths` is found even if it is hidden or ignored, but `include` and `exclude` apply to it.

    Raises InputError before any result if a path doesn't exist, or a pattern can't match any file.
    """
    for path in paths:
        try:
            path.stat()
        except OSError as error:
            raise InputError(str(path), (error.strerror or str(error)).lower(), "no-such-path") from None
    return _Discovery(options).run(sorted({os.path.abspath(path) for path in paths}))


class Reach:
    """The folders that must be watched to notice changes of the files that `discover` finds.

    Two changes can't be noticed this way: of a hidden file that a symbolic link leads to, and of an ignore file above
    the given folder.
    """

    def __init__(self, path: Path, options: DiscoverOptions) -> None:
        """Walk the folder at `path` once, and record its subfolders and ignore rules. `path` may also be a file."""
        self._path = os.path.abspath(path)
        discovery = _Discovery(options)
        self._walk = _Walk(discovery, self._path, os.path.realpath(self._path))
        if os.path.isdir(self._path):
            deque(self._walk.run(), maxlen=0)
            self.folders = frozenset(self._walk.entered)
        else:
            self.folders = frozenset({os.path.dirname(self._path)})

    def may_take(self, path: str) -> bool:
        """Return True if a change at this absolute path could change what `discover` finds.

        That is so if `discover` would find the file, enter the folder or read the ignore file.
        """
        if not self._walk.entered:
            return path == self._path
        folder, name = self._walk.entered.get(os.path.dirname(path)), os.path.basename(path)
        if folder is None:
            return False
        if self._walk.is_unsearched(name):
            return self._walk.discovery.options.use_ignore_files and name in IGNORE_FILES
        is_dir = os.path.isdir(path)
        if self._walk.left_out(folder, path, name, is_dir):
            return False
        # A path that is gone may have been a folder, which no pattern of `include` need match.
        return is_dir or not os.path.lexists(path) or self._walk.includes(path)


@dataclass(frozen=True, slots=True)
class _Level:
    """The ignore rules of one folder. They apply to paths relative to it: without their first `skip` characters."""

    skip: int
    rules: IgnoreRules


@dataclass(frozen=True, slots=True)
class _Folder:
    path: str  # as the user would write it
    real: str  # the same with links resolved, to recognise a file that is reached in two ways
    levels: tuple[_Level, ...]  # innermost first


def contents(path: Path) -> bytes:
    """Read a file. Bytes that are appended while it is being read are left out.

    Raises OSError if it can't be read, or if it isn't a regular file any more, such as a pipe or a device.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would wait for a writer
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise OSError(errno.EINVAL, f"has become {file_kind(info.st_mode)}")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(info.st_size)
    finally:
        os.close(descriptor)


class _Discovery:
    """The state of one call of `discover`: its options, and the paths that were found, with links resolved."""

    def __init__(self, options: DiscoverOptions) -> None:
        self.options = options
        self.included = _include_test(_globs(options.include))
        self.exclude = IgnoreRules(_globs(options.exclude))
        self.seen: set[str] = set()

    def run(self, paths: Sequence[str]) -> Iterator[Found]:
        for path in paths:
            name = os.path.basename(path)
            if os.path.isdir(path):
                yield from _Walk(self, path, os.path.realpath(path)).run()
            elif self.exclude.verdict(name, name, is_dir=False) or not self.included(name):
                continue
            elif self.first_time(os.path.realpath(path)):
                yield self.report(path, name, os.stat(path))

    def first_time(self, real: str) -> bool:
        if real in self.seen:
            return False
        self.seen.add(real)
        return True

    def report(self, path: str, name: str, info: os.stat_result) -> Found:
        """Return the result for an entry that no rule leaves out and that isn't a folder."""
        if not is_utf8(name):
            return Skipped(Path(path), "its name is not valid UTF-8")
        if not stat.S_ISREG(info.st_mode):
            return Skipped(Path(path), file_kind(info.st_mode))
        if info.st_size > self.options.max_file_size:
            return Skipped(Path(path), f"{info.st_size:,} bytes, more than {self.options.max_file_size:,}")
        return SourceFile(path, info.st_size, info.st_mtime_ns, info.st_ctime_ns)


class _Walk:
    """The walk of one folder. Links come last, so that a file in the folder is found by its own path."""

    def __init__(self, discovery: _Discovery, root: str, real_root: str) -> None:
        self.discovery = discovery
        self.root = _Folder(root, real_root, ())
        self.base = len(_with_slash(root))
        self.visited: set[tuple[int, int]] = set()
        self.links: list[tuple[_Folder, str]] = []
        self.entered: dict[str, _Folder] = {}  # by path

    def run(self) -> Iterator[Found]:
        top = self.root
        if self.discovery.options.use_ignore_files:
            try:
                top = replace(top, levels=_levels_above(top.path))
            except OSError as error:
                yield from self.failed(top, error)
                return
        yield from self.walk(top)
        while self.links:  # following one may find more
            links, self.links = sorted(self.links, key=lambda link: (link[0].path, link[1])), []
            for folder, name in links:
                if self.discovery.first_time(_with_slash(folder.real) + name):
                    yield from self.follow(folder, name)

    def walk(self, top: _Folder) -> Iterator[Found]:
        stack = [top]  # not recursion: folders can nest deeper than Python's stack
        while stack:
            folder = stack.pop()
            subfolders: list[_Folder] = []
            try:
                info = os.stat(folder.path)
                if (info.st_dev, info.st_ino) in self.visited:
                    continue
                self.visited.add((info.st_dev, info.st_ino))
                with os.scandir(folder.path) as listing:
                    entries = sorted(listing, key=lambda entry: entry.name)
                folder = self.with_own_rules(folder, entries)
                self.entered[folder.path] = folder
                for entry in entries:
                    found = self.visit(folder, entry, subfolders)
                    if found:
                        yield found
            except OSError as error:
                yield from self.failed(folder, error)
            stack.extend(reversed(subfolders))

    def failed(self, folder: _Folder, error: OSError) -> Iterator[Unreadable]:
        if self.discovery.first_time(folder.real):
            yield Unreadable(Path(error.filename or folder.path), (error.strerror or str(error)).lower())

    def with_own_rules(self, folder: _Folder, entries: list[os.DirEntry[str]]) -> _Folder:
        """Return the folder with the rules of its own ignore files added.

        Raises OSError if one can't be read, because files that it excludes must not get into the index.
        """
        if not self.discovery.options.use_ignore_files:
            return folder
        names = {entry.name for entry in entries if entry.name in IGNORE_FILES and _may_have_rules(entry.path)}
        level = _level(folder.path, names)
        return replace(folder, levels=(level, *folder.levels)) if level else folder

    def visit(self, folder: _Folder, entry: os.DirEntry[str], subfolders: list[_Folder]) -> Found | None:
        """Return the result for an entry; add a folder to `subfolders`, and a link to `self.links`. Raises OSError."""
        name = entry.name
        if self.is_unsearched(name):
            return None
        path = entry.path
        is_link = entry.is_symlink()
        is_dir = os.path.isdir(path) if is_link else entry.is_dir(follow_symlinks=False)
        if self.left_out(folder, path, name, is_dir):
            return None
        real = path if folder.real == folder.path else _with_slash(folder.real) + name  # one text, if they are equal
        if is_link:
            self.links.append((folder, name))
        elif is_dir and is_utf8(name):
            subfolders.append(_Folder(path, real, folder.levels))
        elif (is_dir or self.includes(path)) and self.discovery.first_time(real):
            try:
                return self.discovery.report(path, name, entry.stat(follow_symlinks=False))
            except FileNotFoundError:
                return None  # deleted since its folder was listed
        return None

    def is_unsearched(self, name: str) -> bool:
        return name.startswith(".") or name in UNSEARCHED

    def includes(self, path: str) -> bool:
        return self.discovery.included(path[self.base :])

    def left_out(self, folder: _Folder, path: str, name: str, is_dir: bool) -> bool:
        if self.discovery.exclude and self.discovery.exclude.verdict(path[self.base :], name, is_dir):
            return True
        for level in folder.levels:
            verdict = level.rules.verdict(path[level.skip :], name, is_dir)
            if verdict is not None:
                return verdict
        return False

    def follow(self, folder: _Folder, name: str) -> Iterator[Found]:
        path = _with_slash(folder.path) + name
        try:
            info = os.stat(path)
        except OSError as error:
            dangling = isinstance(error, FileNotFoundError)
            yield Skipped(Path(path), "dangling symbolic link" if dangling else "symbolic link that can't be followed")
            return
        real = os.path.realpath(path)
        inside = _with_slash(self.root.real)
        if not _with_slash(real).startswith(inside):
            yield Skipped(Path(path), "symbolic link out of the folder")
        elif not UNSEARCHED.isdisjoint(real[len(inside) :].split("/")):
            return
        elif stat.S_ISDIR(info.st_mode) and is_utf8(name):
            yield from self.walk(_Folder(path, real, folder.levels))
        elif self.includes(path) and self.discovery.first_time(real):
            yield self.discovery.report(path, name, info)


def _levels_above(root: str) -> tuple[_Level, ...]:
    """Return the rules of the folders above, up to the git repository's root. Outside of a repository, return none."""
    above: list[_Level] = []
    folder = root
    while not os.path.lexists(_with_slash(folder) + ".git"):
        parent = os.path.dirname(folder)
        if parent == folder:
            return ()
        folder = parent
        present = {name for name in IGNORE_FILES if _may_have_rules(_with_slash(folder) + name)}
        level = _level(folder, present)
        if level:
            above.append(level)
    return tuple(above)


def _level(folder: str, names: set[str]) -> _Level | None:
    """Return the rules of a folder's ignore files, or None if there are none. Raises OSError."""
    lines: list[str] = []
    for name in IGNORE_FILES:
        if name in names:
            path = _with_slash(folder) + name
            # File names that are not UTF-8 have surrogates: rules need the same to match them.
            lines += _read_rules(path).decode("utf-8-sig", "surrogateescape").split("\n")
    rules = IgnoreRules(lines)
    return _Level(len(_with_slash(folder)), rules) if rules else None


def _may_have_rules(path: str) -> bool:
    """Return True for a file, and for a pipe, a socket or a device, which `_read_rules` refuses by name."""
    return os.path.exists(path) and not os.path.isdir(path)


def _read_rules(path: str) -> bytes:
    """Return an ignore file's bytes. Raises OSError if it can't be read or is larger than MAX_RULES_BYTES.

    It may be a link to any file, so that it may be very large.
    """
    with open_regular(path) as file:
        data = file.read(MAX_RULES_BYTES + 1)
    if len(data) > MAX_RULES_BYTES:
        raise OSError(errno.EFBIG, f"is larger than {MAX_RULES_BYTES:,} bytes, too large for an ignore file", path)
    return data


def _globs(patterns: Sequence[str]) -> tuple[str, ...]:
    """Return the patterns without braces. Raises InputError for one that can't match any file."""
    found: list[str] = []
    for pattern in patterns:
        if not IgnoreRules([pattern]) or is_malformed(pattern):
            raise InputError(f"pattern {pattern!r}", "is not a glob", "invalid-pattern")
        try:
            found += without_braces(pattern)
        except ValueError as error:
            raise InputError(f"pattern {pattern!r}", str(error), "invalid-pattern") from None
    return tuple(found)


def _include_test(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """Return a function that is True for a relative path if the path or a folder above it matches a pattern."""
    if not patterns:
        return lambda _: True
    from pathspec import GitIgnoreSpec

    spec = GitIgnoreSpec.from_lines(patterns, backend="simple")
    for pattern in spec.patterns:
        if pattern.regex is not None:
            pattern.regex = re.compile(without_backtracking(pattern.regex.pattern), pattern.regex.flags)
    match: Callable[[str], bool] = spec.match_file
    return match


def _with_slash(folder: str) -> str:
    return folder if folder.endswith("/") else folder + "/"
