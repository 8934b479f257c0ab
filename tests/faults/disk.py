"""A model of a disk's contents after a power cut: synced data is certain, and any part of the rest may be there.

The model follows POSIX in its portable reading: `fsync` of a file makes its bytes certain, `fsync` of a folder makes
the names in it certain, and neither does the other. Each write, truncation and change of a name that was not synced is
there or not, independently of the others; the last write that is there may be torn. A rename within a folder is
atomic; one between folders may be half there.
"""

import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from faults.shim import Event

TEAR = 512  # bytes that a disk writes atomically

Keep = Callable[[], bool]  # decides whether an unsynced step survives


@dataclass
class File:
    """A file: its `certain` bytes, and the steps since: writes (offset, data) and truncations (size, None)."""

    certain: bytearray = field(default_factory=bytearray)
    steps: list[tuple[int, bytes | None]] = field(default_factory=list)

    def sync(self) -> None:
        """Make all steps certain."""
        self.certain = self.survivor(lambda: True)
        self.steps.clear()

    def survivor(self, keep: Keep, tear: Callable[[bytes], bytes] = bytes) -> bytearray:
        """Return the bytes after a power cut. `tear` may shorten the last write."""
        content = bytearray(self.certain)
        kept = [step for step in self.steps if keep()]
        for number, (offset, data) in enumerate(kept):
            if data is None:
                del content[offset:]
                content.extend(bytes(offset - len(content)))
                continue
            written = tear(data) if number == len(kept) - 1 else data
            content.extend(bytes(max(0, offset - len(content))))
            content[offset : offset + len(written)] = written
        return content


@dataclass
class Folder:
    """A folder: its `certain` names, and the steps since, each of which maps names to nodes, or to None if deleted."""

    certain: dict[str, "File | Folder"] = field(default_factory=dict)
    steps: list[dict[str, "File | Folder | None"]] = field(default_factory=list)
    now: dict[str, "File | Folder"] = field(default_factory=dict)

    def change(self, names: dict[str, "File | Folder | None"]) -> None:
        """Add an atomic step."""
        self.steps.append(names)
        _apply(self.now, names)

    def sync(self) -> None:
        """Make all steps certain."""
        self.certain = dict(self.now)
        self.steps.clear()

    def survivor(self, keep: Keep) -> dict[str, "File | Folder"]:
        """Return the names after a power cut."""
        names = dict(self.certain)
        for step in self.steps:
            if keep():
                _apply(names, step)
        return names


def _apply(names: dict[str, File | Folder], step: dict[str, File | Folder | None]) -> None:
    for name, node in step.items():
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


class Disk:
    """Replays events on the tree under `top`; everything that is there at the start is certain."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self._root = _read(top)
        self._files: dict[int, File] = {}  # by inode number, from the first event about them on

    def play(self, events: Sequence[Event]) -> None:
        """Replay the events."""
        for event in events:
            path = Path(event.path)
            if event.kind == "create":
                self._files[event.inode] = File()
                self._folder(path.parent).change({path.name: self._files[event.inode]})
            elif event.kind == "write":
                self._file(event).steps.append((event.offset, event.data))
            elif event.kind == "truncate":
                self._file(event).steps.append((event.offset, None))
            elif event.kind == "sync":
                self._file(event).sync()
            elif event.kind == "sync folder":
                self._folder(path).sync()
            elif event.kind == "mkdir":
                self._folder(path.parent).change({path.name: Folder()})
            elif event.kind in {"unlink", "rmdir"}:
                self._folder(path.parent).change({path.name: None})
            elif event.kind == "link":
                target = Path(event.target)
                self._folder(target.parent).change({target.name: self._node(path)})
            elif event.kind == "rename":
                self._rename(path, Path(event.target))
            else:
                assert event.kind in {"committed", "embedded"}, event

    def cut(self, rng: random.Random, share: float) -> dict[Path, bytes | None]:
        """Return the contents of every path after a power cut, None for a folder.

        An unsynced step survives with probability `share`.
        """

        def keep() -> bool:
            return rng.random() < share

        def tear(data: bytes) -> bytes:
            return data if share == 1 or rng.random() < 0.5 else data[: rng.randrange(0, len(data) + 1, TEAR)]

        found: dict[Path, bytes | None] = {}

        def walk(folder: Folder, at: Path) -> None:
            for name, node in folder.survivor(keep).items():
                if isinstance(node, Folder):
                    found[at / name] = None
                    walk(node, at / name)
                else:
                    found[at / name] = bytes(node.survivor(keep, tear))

        walk(self._root, self.top)
        return found

    def _rename(self, path: Path, target: Path) -> None:
        node = self._node(path)
        if path.parent == target.parent:
            self._folder(path.parent).change({path.name: None, target.name: node})
        else:
            self._folder(target.parent).change({target.name: node})
            self._folder(path.parent).change({path.name: None})

    def _file(self, event: Event) -> File:
        if event.inode not in self._files:
            node = self._node(Path(event.path))
            assert isinstance(node, File)
            self._files[event.inode] = node
        return self._files[event.inode]

    def _node(self, path: Path) -> File | Folder:
        node: File | Folder = self._root
        for part in path.relative_to(self.top).parts:
            assert isinstance(node, Folder)
            node = node.now[part]
        return node

    def _folder(self, path: Path) -> Folder:
        node = self._node(path)
        assert isinstance(node, Folder)
        return node


def _read(path: Path) -> Folder:
    names = {each.name: _read(each) if each.is_dir() else File(bytearray(each.read_bytes())) for each in path.iterdir()}
    return Folder(dict(names), [], dict(names))


def lay_out(top: Path, tree: dict[Path, bytes | None]) -> None:
    """Replace the contents of the real folder `top` by the tree."""
    shutil.rmtree(top)
    top.mkdir()
    for path, content in tree.items():
        if content is None:
            path.mkdir()
        else:
            path.write_bytes(content)
