"""What a disk may hold after a power cut: only what was synced is certain, of the rest any part may have arrived.

The model is the portable reading of POSIX: `fsync` of a file makes its bytes certain, `fsync` of a folder the names in
it, and neither does the other's work. Of what was not synced each write, truncation and change of a name is there or
not, whatever came before or after it; the last write that is there may be torn. A rename is there as a whole or not.
"""

import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from faults.shim import Event

TEAR = 512  # bytes: what a disk writes as a whole

Keep = Callable[[], bool]  # decides what becomes of a step that was not synced


@dataclass
class File:
    """`certain` bytes, and the writes since, each (offset, data), or (size, None) for a truncation."""

    certain: bytearray = field(default_factory=bytearray)
    steps: list[tuple[int, bytes | None]] = field(default_factory=list)

    def sync(self) -> None:
        """All steps become certain."""
        self.certain = self.survivor(lambda: True)
        self.steps.clear()

    def survivor(self, keep: Keep, tear: Callable[[bytes], bytes] = bytes) -> bytearray:
        """The bytes after a power cut. `tear` may shorten the last write."""
        content = bytearray(self.certain)
        kept = [step for step in self.steps if keep()]
        for number, (offset, data) in enumerate(kept):
            if data is None:
                del content[offset:]
                content.extend(bytes(offset - len(content)))
                continue
            piece = tear(data) if number == len(kept) - 1 else data
            content.extend(bytes(max(0, offset - len(content))))
            content[offset : offset + len(piece)] = piece
        return content


@dataclass
class Folder:
    """`certain` names, and the changes since: each maps names to what they mean from then on, None for nothing."""

    certain: dict[str, "File | Folder"] = field(default_factory=dict)
    steps: list[dict[str, "File | Folder | None"]] = field(default_factory=list)
    now: dict[str, "File | Folder"] = field(default_factory=dict)

    def change(self, names: dict[str, "File | Folder | None"]) -> None:
        """A step that is there as a whole or not."""
        self.steps.append(names)
        _apply(self.now, names)

    def sync(self) -> None:
        """All steps become certain."""
        self.certain = dict(self.now)
        self.steps.clear()

    def survivor(self, keep: Keep) -> dict[str, "File | Folder"]:
        """The names after a power cut."""
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
    """Plays events on the tree under `top`; all that is there at the start is certain."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self._root = _read(top)
        self._files: dict[int, File] = {}  # by inode number, from the first event about them on

    def play(self, events: Sequence[Event]) -> None:
        """Do what the events say."""
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

    def cut(self, chance: random.Random, share: float) -> dict[Path, bytes | None]:
        """Every path after a power cut, None for a folder. A step not synced is kept with chance `share`."""

        def keep() -> bool:
            return chance.random() < share

        def tear(data: bytes) -> bytes:
            return data if share == 1 or chance.random() < 0.5 else data[: chance.randrange(0, len(data) + 1, TEAR)]

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
        assert path.parent == target.parent, "a rename between folders is not modelled"
        self._folder(path.parent).change({path.name: None, target.name: node})

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
    """Put the tree on the real disk in place of what is there."""
    shutil.rmtree(top)
    top.mkdir()
    for path, content in tree.items():
        if content is None:
            path.mkdir()
        else:
            path.write_bytes(content)
