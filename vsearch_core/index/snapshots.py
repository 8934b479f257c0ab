"""Read and change the list of snapshots in a store: find, tag, roll back and prune them.

Each change replaces the list CURRENT as a whole, by a conditional put. It fails if another process was quicker.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from vsearch_core.errors import ArgumentError, SnapshotError
from vsearch_core.store.files import checksum
from vsearch_core.store.object_store import ObjectStore, ObjectVersion
from vsearch_core.store.snapshot_history import (
    CURRENT,
    LARGEST_CURRENT,
    MANIFESTS,
    OBJECTS,
    SnapshotHistory,
    SnapshotManifest,
    StoredSnapshot,
    is_tag,
    new_token,
    objects_of,
    parse_current,
    parse_manifest,
)

# The setting of an index with the hash of the snapshot that it was pulled from, and its state since then
PULLED = "pulled"
DELETED_TOGETHER = 1000  # names in one request


@dataclass(frozen=True, slots=True)
class SnapshotSummary:
    """An index and a snapshot of it in a store. `snapshot` is its number there, and `bytes` the size of its files."""

    index: Path
    url: str
    snapshot: int
    generation: int
    files: int
    chunks: int
    segments: int
    bytes: int


def read_history(store: ObjectStore) -> tuple[SnapshotHistory | None, ObjectVersion | None]:
    """Return the store's snapshots, and the version of CURRENT for `swap_history`. Both are None in an empty store."""
    found = store.read(CURRENT, LARGEST_CURRENT)
    return (None, None) if found is None else (parse_current(store.url, found.data), found)


def require_history(store: ObjectStore) -> tuple[SnapshotHistory, ObjectVersion]:
    """Return what `read_history` does. Raises SnapshotError for an empty store."""
    history, version = read_history(store)
    if history is None or version is None:
        raise SnapshotError(store.url, "there are no snapshots here", "no-snapshots")
    return history, version


def swap_history(store: ObjectStore, history: SnapshotHistory, former: ObjectVersion | None) -> None:
    """Replace CURRENT. Raises SnapshotError if it is no longer `former` (None: missing)."""
    data = replace(history, token=new_token()).to_json()
    if len(data) > LARGEST_CURRENT:
        raise SnapshotError(store.url, "its list of snapshots is too long", "too-many-snapshots")
    if not store.swap(CURRENT, data, former):
        raise SnapshotError(store.url, "another process has changed its snapshots meanwhile", "snapshot-conflict")


def read_manifest(store: ObjectStore, snapshot: StoredSnapshot) -> SnapshotManifest:
    """Return the manifest of a snapshot, verified. Raises SnapshotError."""
    name = f"{MANIFESTS}/{snapshot.manifest}"
    found = store.read(name, snapshot.manifest_bytes)
    if found is None:
        raise store.damaged(f"its object {name} is missing")
    if checksum([found.data]) != snapshot.hash:
        raise store.damaged(f"the checksum of its object {name} differs")
    return parse_manifest(store.url, found.data)


def find_snapshot(store: ObjectStore, history: SnapshotHistory, name: str | None) -> StoredSnapshot:
    """Return the snapshot with a number or tag; without a name, the current one. Raises SnapshotError."""
    found = history.newest if name is None else history.find(name)
    if found is None:
        raise SnapshotError(store.url, f"has no snapshot {name}", "no-such-snapshot")
    return found


def tag_snapshot(store: ObjectStore, tag: str, name: str | None) -> StoredSnapshot:
    """Give a tag to a snapshot, and take it from another one. Return the snapshot. Raises ArgumentError, SnapshotError.

    `name` is a number or tag; None means the current snapshot.
    """
    if not is_tag(tag):
        raise ArgumentError("tag", "is not a name of letters, digits and ._- that is no number", "invalid-tag")
    history, version = require_history(store)
    number = find_snapshot(store, history, name).number
    changed = tuple(
        replace(each, tags=tuple(sorted({*each.tags} - {tag} | ({tag} if each.number == number else set()))))
        for each in history.snapshots
    )
    swap_history(store, replace(history, snapshots=changed), version)
    return next(each for each in changed if each.number == number)


def remove_tag(store: ObjectStore, tag: str) -> None:
    """Take a tag from its snapshot. Raises SnapshotError if no snapshot has it."""
    history, version = require_history(store)
    if not any(tag in each.tags for each in history.snapshots):
        raise SnapshotError(store.url, f"has no snapshot {tag}", "no-such-snapshot")
    changed = tuple(replace(each, tags=tuple(t for t in each.tags if t != tag)) for each in history.snapshots)
    swap_history(store, replace(history, snapshots=changed), version)


def roll_back(store: ObjectStore, name: str) -> StoredSnapshot:
    """Make an earlier snapshot, by its number or tag, the current one. Return it. Raises SnapshotError."""
    history, version = require_history(store)
    found = find_snapshot(store, history, name)
    read_manifest(store, found)
    if found.number != history.current:
        swap_history(store, replace(history, current=found.number), version)
    return found


def prune_snapshots(store: ObjectStore, keep: int) -> tuple[list[StoredSnapshot], int]:
    """Drop all snapshots but the `keep` newest, the current one and those with tags, and delete objects without use.

    Return the snapshots that were dropped, and the number of objects that were deleted. Raises SnapshotError: if
    another process was quicker, nothing has changed.

    Objects of a push that runs meanwhile can't be deleted. The list begins a new epoch before anything is deleted: a
    push that began in a former epoch fails at its end, and one that begins now reuses only objects of the current
    snapshot, which stay, or of the new epoch.
    """
    history, version = require_history(store)
    newest = {each.number for each in history.snapshots[-keep:]} if keep else set()
    kept = tuple(
        each for each in history.snapshots if each.number in newest or each.tags or each.number == history.current
    )
    found = store.in_parallel(lambda snapshot: read_manifest(store, snapshot), kept)
    manifests = {each.manifest: manifest for each, manifest in zip(kept, found, strict=True)}
    used = objects_of(manifests)
    swap_history(store, replace(history, epoch=history.epoch + 1, snapshots=kept), version)
    unused = [name for name in _deletable(store, history.epoch) if name not in used]
    for start in range(0, len(unused), DELETED_TOGETHER):
        store.delete(unused[start : start + DELETED_TOGETHER])
    return [each for each in history.snapshots if each not in kept], len(unused)


def _deletable(store: ObjectStore, last_epoch: int) -> list[str]:
    """Return the names of all objects of the epochs up to the last one that are named as ours are."""
    found = []
    for folder in (OBJECTS, MANIFESTS):
        for name in store.names(folder):
            _, _, key = name.partition("/")
            epoch, _, digest = key.partition("/")
            if epoch.isdecimal() and len(digest) == 32 and int(epoch) <= last_epoch:
                found.append(name)
    return found
