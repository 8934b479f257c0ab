"""Discovery on real folders. The rules are compared with git if it is installed."""

import errno
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from vsearch_core.errors import InputError
from vsearch_core.text.discover import (
    DiscoverOptions,
    Found,
    Reach,
    Skipped,
    SourceFile,
    Unreadable,
    contents,
    discover,
)

DEFAULT = DiscoverOptions()


def build(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def run(*paths: Path, options: DiscoverOptions = DEFAULT) -> list[Found]:
    return list(discover(paths, options))


def files(root: Path, *paths: Path, options: DiscoverOptions = DEFAULT) -> list[str]:
    found = run(*(paths or (root,)), options=options)
    return [str(item.path.relative_to(root)) for item in found if isinstance(item, SourceFile)]


def reasons(root: Path) -> dict[str, str]:
    return {str(item.path.relative_to(root)): item.reason for item in run(root) if not isinstance(item, SourceFile)}


def test_all_files_sorted_with_size_and_time(tmp_path: Path) -> None:
    build(tmp_path, {"b.txt": "12345", "a/z.txt": "", "a/b/c.md": "x", "a.txt": "y"})
    assert files(tmp_path) == ["a.txt", "b.txt", "a/z.txt", "a/b/c.md"]
    item = next(item for item in run(tmp_path) if item.path.name == "b.txt")
    info = (tmp_path / "b.txt").stat()
    assert item == SourceFile(str(tmp_path / "b.txt"), 5, info.st_mtime_ns, info.st_ctime_ns)


def test_relative_argument_gives_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(tmp_path, {"d/a.txt": ""})
    monkeypatch.chdir(tmp_path)
    assert [item.path for item in run(Path("d"))] == [tmp_path / "d/a.txt"]


def test_hidden_and_version_control_are_left_out(tmp_path: Path) -> None:
    build(tmp_path, {".env": "", ".git/config": "", "CVS/Root": "", ".vsearch/catalog.sqlite": "", "a.txt": ""})
    assert run(tmp_path) == run(tmp_path / "a.txt")


def test_a_hidden_or_ignored_file_given_itself_is_found(tmp_path: Path) -> None:
    build(tmp_path, {".gitignore": "*.log", ".env": "", "a.log": ""})
    assert files(tmp_path) == []
    assert files(tmp_path, tmp_path / ".env", tmp_path / "a.log") == [".env", "a.log"]


def test_each_file_once(tmp_path: Path) -> None:
    build(tmp_path, {"d/e/a.txt": "", "d/b.txt": ""})
    assert files(tmp_path, tmp_path / "d/e", tmp_path / "d", tmp_path / "d/e/a.txt") == ["d/b.txt", "d/e/a.txt"]


def test_precedence_within_a_folder_and_between_folders(tmp_path: Path) -> None:
    build(
        tmp_path,
        {
            ".gitignore": "*.a\n*.b\n*.c\n",
            ".ignore": "!*.b\n!*.c\n",
            ".vsearchignore": "*.c\n",
            **{f"x.{suffix}": "" for suffix in "abcd"},
            "sub/.gitignore": "!*.c\n*.d\n",
            **{f"sub/y.{suffix}": "" for suffix in "abcd"},
        },
    )
    assert files(tmp_path) == ["x.b", "x.d", "sub/y.b", "sub/y.c"]
    everything = files(tmp_path, options=DiscoverOptions(use_ignore_files=False))
    assert len(everything) == 8


def test_rules_above_apply_up_to_the_repository(tmp_path: Path) -> None:
    build(
        tmp_path,
        {
            ".gitignore": "*.txt\n",
            "repo/.git/HEAD": "",
            "repo/.gitignore": "*.log\n/docs/private\n",
            "repo/docs/a.log": "",
            "repo/docs/a.txt": "",
            "repo/docs/private/b.md": "",
            "repo/docs/deep/private/c.md": "",
        },
    )
    assert files(tmp_path, tmp_path / "repo/docs") == ["repo/docs/a.txt", "repo/docs/deep/private/c.md"]
    assert files(tmp_path, tmp_path / "repo/docs/private") == ["repo/docs/private/b.md"]


def test_rules_above_are_ignored_outside_of_a_repository(tmp_path: Path) -> None:
    build(tmp_path, {".gitignore": "*.txt\n", "docs/a.txt": ""})
    assert files(tmp_path, tmp_path / "docs") == ["docs/a.txt"]


GIT_CASES = {
    "bare name at any depth": "build\n",
    "folders only": "build/\n",
    "anchored": "/build\n/a.txt\n",
    "with a slash": "src/build\nsrc/*.txt\n",
    "all but": "*\n!*/\n!*.txt\n",
    "all but one folder": "/*\n!/src\n",
    "inside of": "src/**\n!src/build/\n!src/**/a.txt\n",
    "all folders inside of": "src/**/\n",
    "double star in the middle": "src/**/a.txt\n",
    "double star in front": "**/build\n**/src/a.txt\n",
    "double star alone": "**\n!a.txt\n",
    "parent stays out": "build/\n!build/a.txt\n",
    "file un-ignored": "build/*\n!build/a.txt\n",
    "name of a folder un-ignores no file": "*.log\n!logs\n",
    "classes": "[ab].txt\nb.lo[!x]\n",
    "question mark": "?.txt\n",
    "escapes": "\\#x\n\\!y\ntrailing\\ \n",
    "comment, blanks": "# a.txt\n\n  \na.txt   \n",
    "windows line ends": "a.txt\r\nbuild\r\n",
    "byte order mark": "\ufeffa.txt\n",
    "range that can't be": "[z-a].txt\nb.log\n",
    "backslash at the end": "a\\\nb.log\n",
    "slash alone": "/\nb.log\n",
    "repeated": "**/**/build/**\n",
    "nested bracket": "[[]x\n",
}


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
@pytest.mark.parametrize("rules", GIT_CASES.values(), ids=GIT_CASES.keys())
def test_rules_agree_with_git(tmp_path: Path, rules: str) -> None:
    names = [
        "a.txt",
        "b.log",
        "#x",
        "!y",
        "trailing ",
        "[x",
        "build/a.txt",
        "build/c.log",
        "src/a.txt",
        "src/build/a.txt",
    ]
    names += [
        "src/build/x/b.log",
        "src/deep/er/a.txt",
        "src/deep/build",
        "logs/a.log",
        "logs/a.txt",
        "src/logs/build/z.log",
    ]
    build(tmp_path, dict.fromkeys(names, ""))
    (tmp_path / "src/.gitignore").write_text("!logs\n", encoding="utf-8")
    (tmp_path / ".gitignore").write_bytes(rules.encode())
    env = {**os.environ, "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True, env=env, capture_output=True)
    command = ["git", "-C", str(tmp_path), "ls-files", "-z", "--others", "--exclude-standard"]
    listed = subprocess.run(command, check=True, env=env, capture_output=True, text=True).stdout.split("\0")
    assert sorted(files(tmp_path)) == sorted(name for name in listed if name and ".gitignore" not in name)


def test_include_and_exclude(tmp_path: Path) -> None:
    build(tmp_path, {"a.md": "", "a.txt": "", "docs/b.txt": "", "docs/old/c.md": "", ".gitignore": "a.md"})

    def matching(**globs: tuple[str, ...]) -> list[str]:
        return files(tmp_path, options=DiscoverOptions(**globs))  # type: ignore[arg-type]

    assert matching(include=("*.md",)) == ["docs/old/c.md"]
    assert matching(include=("/docs/",)) == ["docs/b.txt", "docs/old/c.md"]
    assert matching(include=("docs",), exclude=("*.txt",)) == ["docs/old/c.md"]
    assert matching(exclude=("old/",)) == ["a.txt", "docs/b.txt"]
    assert files(tmp_path, tmp_path / "a.txt", options=DiscoverOptions(exclude=("*.txt",))) == []
    assert files(tmp_path, tmp_path / "a.txt", options=DiscoverOptions(include=("*.md",))) == []


@pytest.mark.parametrize("pattern", ["", "# x", "/"])
def test_a_pattern_that_can_match_nothing_is_refused(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(InputError, match="not a glob"):
        discover([tmp_path], DiscoverOptions(include=(pattern,)))


def test_missing_path_fails_before_anything_is_yielded(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        discover([tmp_path, tmp_path / "nowhere"], DEFAULT)


def test_special_and_large_files_are_skipped_with_a_reason(tmp_path: Path) -> None:
    build(tmp_path, {"big.txt": "x" * 101, "fits.txt": "x" * 100})
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "sock"))
        found = run(tmp_path, tmp_path / "pipe", options=DiscoverOptions(max_file_size=100))
    assert {item.path.name: getattr(item, "reason", None) for item in found} == {
        "big.txt": "101 bytes, more than 100",
        "fits.txt": None,
        "pipe": "a named pipe",
        "sock": "a socket",
    }


def test_name_that_is_not_utf8(tmp_path: Path) -> None:
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).touch()
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/d\xe9")).mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    found = run(tmp_path)
    assert [type(item) for item in found] == [Skipped, Skipped]
    assert {item.reason for item in found if isinstance(item, Skipped)} == {"its name is not valid UTF-8"}


def test_links(tmp_path: Path) -> None:
    root = tmp_path / "root"
    build(tmp_path, {"outside.txt": "", "root/z/real.txt": "", "root/.hidden/h.txt": "", "root/.git/x": ""})
    links = {
        "a-file": "z/real.txt",
        "a-folder": "z",
        "b-hidden": ".hidden",
        "c-again": ".hidden/h.txt",
        "git": ".git",
        "loop": "loop",
        "nothing": "gone",
        "out": "../outside.txt",
        "up": ".",
        "z/parent": "..",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    assert files(root) == ["z/real.txt", "b-hidden/h.txt"]
    assert reasons(root) == {
        "loop": "symbolic link that can't be followed",
        "nothing": "dangling symbolic link",
        "out": "symbolic link out of the folder",
    }


def test_a_link_given_itself_is_followed(tmp_path: Path) -> None:
    build(tmp_path, {"real/a.txt": ""})
    (tmp_path / "link").symlink_to("real")
    assert files(tmp_path, tmp_path / "link") == ["link/a.txt"]
    assert files(tmp_path, tmp_path / "link", tmp_path / "real") == ["link/a.txt"]


def deny(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Answer like the system for a folder without permission, which it never does for the superuser."""
    scandir = os.scandir

    def denied(path: str) -> "os._ScandirIterator[str]":
        if path == str(folder):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)


def test_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(tmp_path, {"a/secret.txt": "", "b/open.txt": ""})
    deny(monkeypatch, tmp_path / "a")
    found = run(tmp_path, tmp_path / "a")
    assert found[0] == Unreadable(tmp_path / "a", "permission denied")
    assert [item.path.name for item in found[1:]] == ["open.txt"]


def test_folder_whose_rules_cannot_be_read_is_not_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(tmp_path, {"a/.gitignore": "secret.txt", "a/secret.txt": ""})

    def denied(path: str, *_args: object, **_keywords: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr("builtins.open", denied)
    assert run(tmp_path) == [Unreadable(tmp_path / "a/.gitignore", "permission denied")]


def test_file_deleted_during_discovery(tmp_path: Path) -> None:
    build(tmp_path, {"a.txt": "", "b.txt": ""})
    walk = discover([tmp_path], DEFAULT)
    assert next(walk).path.name == "a.txt"
    (tmp_path / "b.txt").unlink()
    assert list(walk) == []


@pytest.fixture
def deep_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder has more levels than Python's stack. It is deleted here, because pytest's own clean-up can't."""
    monkeypatch.chdir(tmp_path)
    levels = 1200
    for _ in range(levels):
        Path("d").mkdir()
        os.chdir("d")
    Path("a.txt").touch()
    yield tmp_path
    Path("a.txt").unlink()
    for _ in range(levels):
        os.chdir("..")
        Path("d").rmdir()


def test_deep_folders(deep_folder: Path) -> None:
    assert len(files(deep_folder)) == 1


@pytest.mark.parametrize(
    "options",
    [DEFAULT, DiscoverOptions(include=("*.md",)), DiscoverOptions(exclude=("a/",)), DiscoverOptions((), (), False)],
)
def test_reach_agrees_with_discovery(tmp_path: Path, options: DiscoverOptions) -> None:
    names = ("x.md", "x.txt", "x.log", ".hidden.md", "a/x.md", "a/x.log", "a/b/x.md", ".git/x.md", "build/x.md")
    build(tmp_path, dict.fromkeys(names, "x") | {".gitignore": "build/\n*.log\n", "a/b/.ignore": "!x.log\n"})
    (tmp_path / "link").symlink_to("a/b", target_is_directory=True)
    reach = Reach(tmp_path, options)
    found = files(tmp_path, options=options)
    assert found
    assert [name for name in names if reach.may_take(str(tmp_path / name))] == [name for name in names if name in found]
    assert {str((tmp_path / name).parent) for name in found} <= reach.folders
    assert reach.may_take(str(tmp_path / ".gitignore")) == options.use_ignore_files


def test_only_regular_files_have_contents(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"text")
    assert contents(tmp_path / "a.txt") == b"text"
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name, what in (("pipe", "a named pipe"), ("zero", "a device"), ("", "a folder")):
        with pytest.raises(OSError, match=f"has become {what}"):
            contents(tmp_path / name)


def test_contents_of_a_file_that_grows_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"first\n")
    status = os.fstat

    def then_it_grows(descriptor: int) -> os.stat_result:
        info = status(descriptor)
        path.write_bytes(b"first\nsecond\n")
        return info

    monkeypatch.setattr(os, "fstat", then_it_grows)
    assert contents(path) == b"first\n"
    monkeypatch.undo()
    path.write_bytes(b"first\n" * 10)
    monkeypatch.setattr(os, "fstat", lambda descriptor: (status(descriptor), path.write_bytes(b"f"))[0])
    assert contents(path) == b"f", "it may have shrunk too"
