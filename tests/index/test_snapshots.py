"""Snapshots in a store: push and pull, damage, hostile stores, races, tags, roll-back and pruning."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from support import WordEmbedder, make_index

from vsearch_core.errors import ArgumentError, IndexMismatchError, InputError, SnapshotError, VsearchError
from vsearch_core.evaluate.tune import store_fusion
from vsearch_core.index import push as push_module
from vsearch_core.index.check import check_index
from vsearch_core.index.progress import Observer
from vsearch_core.index.pull import BLOCKS_FILE, PullSummary, pull_index
from vsearch_core.index.push import PushSummary, push_index
from vsearch_core.index.removal import remove_paths
from vsearch_core.index.settings import IndexSettings
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.index.snapshots import (
    prune_snapshots,
    read_history,
    remove_tag,
    roll_back,
    swap_history,
    tag_snapshot,
)
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import query_embedding, search
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.tuned import TunedFusion
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.files import checksum
from vsearch_core.store.object_store import ObjectStore
from vsearch_core.store.snapshot_history import CURRENT, MANIFESTS, OBJECTS

obstore = pytest.importorskip("obstore")

Answers = list[tuple[str, str, float]]


class Store:
    """A store in memory, with access to the bytes of its objects."""

    def __init__(self) -> None:
        self.memory = obstore.store.MemoryStore()
        self.store = ObjectStore("memory:///", self.memory, threads=1)

    def names(self) -> list[str]:
        return sorted(self.store.names(""))

    def get(self, name: str) -> bytes:
        return bytes(obstore.get(self.memory, name).bytes())

    def put(self, name: str, data: bytes) -> None:
        obstore.put(self.memory, name, data)

    def push(self, root: Path, *, force: bool = False) -> PushSummary:
        from tempfile import TemporaryDirectory

        with TemporaryDirectory() as scratch:
            return push_index(root / ".vsearch", self.store, Path(scratch), force=force)

    def pull(self, root: Path, name: str | None = None, **options: Any) -> PullSummary:
        return pull_index(root / ".vsearch", self.store, name, **options)

    def copy(self) -> "Store":
        other = Store()
        for name in self.names():
            other.put(name, self.get(name))
        return other


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def root(tmp_path: Path, embedder: WordEmbedder) -> Path:
    return make_project(tmp_path / "project", embedder)


def make_project(root: Path, embedder: WordEmbedder, files: int = 12) -> Path:
    (root / "docs").mkdir(parents=True)
    for number in range(files):
        (root / "docs" / f"{number}.txt").write_text(f"The pump number {number} of {root.name}.")
    make_index(root, embedder, Path("docs"))
    return root


def change(root: Path, embedder: WordEmbedder, text: str, name: str = "1.txt") -> None:
    (root / "docs" / name).parent.mkdir(parents=True, exist_ok=True)
    (root / "docs" / name).write_text(text)
    make_index(root, embedder, Path("docs"))


def answers(root: Path, embedder: WordEmbedder) -> Answers:
    with open_snapshot(root / ".vsearch") as snapshot:
        results = search(LocalSearcher(snapshot), SearchRequest("pump 2", k=99), query_embedding(embedder))
        return [(hit.path, hit.text, hit.score) for hit in results.hits]


def state(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder, but for those that SQLite and the lock leave."""
    names = (path for path in folder.rglob("*") if path.is_file() and not re.search("-shm$|-wal$|lock$", path.name))
    return {str(path.relative_to(folder)): path.read_bytes() for path in names}


def test_a_pulled_index_gives_the_same_hits(store: Store, root: Path, embedder: WordEmbedder, tmp_path: Path) -> None:
    pushed = store.push(root)
    assert (pushed.snapshot, pushed.generation, pushed.files, pushed.chunks, pushed.is_new) == (1, 1, 12, 12, True)
    pulled = store.pull(tmp_path / "copy")
    assert (pulled.snapshot, pulled.files, pulled.chunks, pulled.bytes) == (1, 12, 12, pushed.bytes)
    assert pulled.fetched_bytes <= pulled.bytes
    assert answers(tmp_path / "copy", embedder) == answers(root, embedder) != []
    assert check_index(tmp_path / "copy" / ".vsearch", full=True).faults == ()
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == [".vsearch"]


def test_only_what_is_new_is_sent_and_fetched(store: Store, root: Path, embedder: WordEmbedder, tmp_path: Path) -> None:
    store.push(root)
    first = set(store.names())
    again = store.push(root)
    assert (again.is_new, again.sent_objects, again.sent_bytes) == (False, 0, 0)
    assert set(store.names()) == first
    assert store.pull(tmp_path / "copy", keep_blocks=True).is_new
    assert not store.pull(tmp_path / "copy", keep_blocks=True).is_new
    remove_paths(root / ".vsearch", [root / "docs" / "3.txt"], Observer())
    pushed = store.push(root)
    assert pushed.sent_objects == len(set(store.names()) - first)
    assert first <= set(store.names()), "objects are written once"
    pulled = store.pull(tmp_path / "copy", keep_blocks=True)
    assert pulled.fetched_objects == pushed.sent_objects - 1, "all new objects but the manifest"
    assert answers(tmp_path / "copy", embedder) == answers(root, embedder)


def test_objects_are_named_after_their_content(store: Store, root: Path) -> None:
    store.push(root)
    objects = [name for name in store.names() if name != CURRENT]
    assert all(name.startswith((f"{OBJECTS}/1/", f"{MANIFESTS}/1/")) for name in objects)
    assert all(name.rpartition("/")[2] == checksum([store.get(name)]) for name in objects)
    assert "token" in json.loads(store.get(CURRENT))


def test_nothing_but_live_documents_is_pushed(store: Store, root: Path, embedder: WordEmbedder) -> None:
    change(root, embedder, "A document about gears.", "hidden-removed.txt")
    (root / "docs" / "hidden-skipped.bin").write_bytes(bytes(range(256)) * 9)
    change(root, embedder, "The pump is new.")
    remove_paths(root / ".vsearch", [root / "docs" / "hidden-removed.txt"], Observer())
    (root / "docs" / "hidden-staged.txt").write_text("A document that is staged only.")
    seen: list[str] = []
    make_index(root, embedder, observer=Observer(progress=lambda _: seen.append(""), should_stop=lambda: bool(seen)))
    with closing(Catalog.open_to_read(root / ".vsearch")) as catalog:
        assert catalog.sources()
        assert catalog.counts()[1] > 0
    store.push(root)
    everything = b"".join(map(store.get, store.names()))
    assert b"hidden" not in everything
    assert str(root).encode() not in everything


def test_a_push_does_not_change_the_index(store: Store, root: Path) -> None:
    before = state(root)
    store.push(root)
    assert state(root) == before


# Damage


def damaged(data: bytes) -> Iterator[bytes]:
    at = len(data) // 3
    yield data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]
    yield data[:-1]
    yield b""


def test_damage_of_any_object_is_found_before_the_index_changes(
    store: Store, root: Path, embedder: WordEmbedder, tmp_path: Path
) -> None:
    store.push(root)
    copy = make_project(tmp_path / "copy", WordEmbedder(dimension=32), 2)
    with closing(Catalog.open_to_read(copy / ".vsearch")) as catalog:
        own = {entry.blake2b for record in catalog.segments() for entry in record.manifest.values()}
    before = state(copy)
    for name in store.names():
        data = store.get(name)
        if name.rpartition("/")[2] in own:  # an equal file of the index is taken instead
            continue
        for bad in damaged(data):
            store.put(name, bad)
            with pytest.raises(SnapshotError) as caught:
                store.pull(copy, replace=True)
            assert caught.value.code == "snapshot-damaged", (name, len(bad), str(caught.value))
            assert state(copy) == before
        obstore.delete(store.memory, name)
        with pytest.raises(SnapshotError) as caught:
            store.pull(copy, replace=True)
        assert caught.value.code == ("no-snapshots" if name == CURRENT else "snapshot-damaged")
        store.put(name, data)
    store.pull(copy, replace=True)
    assert answers(copy, embedder) == answers(root, embedder)


def test_every_bit_of_the_list_of_snapshots_counts(store: Store, root: Path, tmp_path: Path) -> None:
    store.push(root)
    data = store.get(CURRENT)
    for at in range(len(data)):
        store.put(CURRENT, data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(SnapshotError):
            store.pull(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_damaged_files_of_the_index_itself_are_fetched_anew(
    store: Store, root: Path, embedder: WordEmbedder, tmp_path: Path
) -> None:
    store.push(root)
    copy = tmp_path / "copy"
    store.pull(copy, keep_blocks=True)
    for path in [*(copy / ".vsearch" / "segments").glob("*/*.npy"), copy / ".vsearch" / BLOCKS_FILE]:
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    change(root, embedder, "The pump is new.")
    store.push(root)
    store.pull(copy, keep_blocks=True)
    assert check_index(copy / ".vsearch", full=True).faults == ()
    assert answers(copy, embedder) == answers(root, embedder)


def test_a_damaged_index_is_not_pushed(store: Store, root: Path) -> None:
    path = next((root / ".vsearch" / "segments").glob("*/vectors.npy"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(VsearchError, match="checksum differs"):
        store.push(root)
    assert CURRENT not in store.names()


# Hostile stores


def forge(store: Store, edit: Callable[[dict[str, Any]], Any]) -> None:
    """Replace the manifest by an edited one, with right hashes."""
    history, _ = read_history(store.store)
    assert history is not None
    values = json.loads(store.get(f"{MANIFESTS}/{history.newest.manifest}"))
    edit(values)
    data = json.dumps(values, indent=1).encode() + b"\n"
    key = f"1/{checksum([data])}"
    store.put(f"{MANIFESTS}/{key}", data)
    values = json.loads(store.get(CURRENT))
    values["snapshots"][0] |= {"manifest": key, "manifest_bytes": len(data)}
    _write_current(store, values)


def _write_current(store: Store, values: Mapping[str, Any]) -> None:
    plain = {key: value for key, value in values.items() if key != "checksum"}
    digest = checksum([json.dumps(plain).encode()])
    store.put(CURRENT, json.dumps({**plain, "checksum": digest}, indent=1).encode() + b"\n")


MANIFEST_EDITS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a file that climbs": lambda v: v["files"][0].update(name="../../outside.npy"),
    "an absolute file": lambda v: v["files"][0].update(name="/tmp/outside.npy"),
    "a file of the index": lambda v: v["files"][0].update(name="config.toml"),
    "a file twice": lambda v: v["files"][1].update(name=v["files"][0]["name"]),
    "an object that climbs": lambda v: v["files"][0].update(object="../../../etc/passwd"),
    "an object elsewhere": lambda v: v["files"][0].update(object="1/../../CURRENT"),
    "an object that is no text": lambda v: v["files"][0].update(object=7),
    "a block that climbs": lambda v: v["catalog"]["blocks"].__setitem__(0, "1/../../../../etc/passwd"),
    "a huge file": lambda v: v["files"][0].update(bytes=1 << 49),
    "a larger file than can be": lambda v: v["files"][0].update(bytes=1 << 200),
    "a negative size": lambda v: v["files"][0].update(bytes=-1),
    "a size that is true": lambda v: v["files"][0].update(bytes=True),
    "a size that is wrong by one": lambda v: v["files"][0].update(bytes=v["files"][0]["bytes"] + 1),
    "a huge catalog": lambda v: v["catalog"].update(bytes=1 << 49),
    "too few blocks": lambda v: v["catalog"]["blocks"].pop(),
    "other blocks": lambda v: v["catalog"]["blocks"].reverse(),
    "the wrong hash of the catalog": lambda v: v["catalog"].update(blake2b="0" * 32),
    "a file too few": lambda v: v["files"].pop(),
    "another generation": lambda v: v.update(generation=7),
    "a generation beyond all numbers": lambda v: v.update(generation=1 << 70),
    "an unknown key": lambda v: v.update(more=1),
    "no files": lambda v: v.pop("files"),
    "deep nesting": lambda v: v.update(generation=[[[[]]]]),
    "a newer version": lambda v: v.update(schema="vsearch.manifest/2"),
    "another schema": lambda v: v.update(schema="other/1"),
}


@pytest.mark.parametrize("kind", MANIFEST_EDITS)
def test_a_forged_manifest_costs_an_error(
    store: Store, root: Path, embedder: WordEmbedder, tmp_path: Path, kind: str
) -> None:
    store.push(root)
    copy = make_project(tmp_path / "a" / "copy", embedder, 2)
    before = state(tmp_path)
    forge(store, MANIFEST_EDITS[kind])
    with pytest.raises(VsearchError) as caught:
        store.pull(copy, replace=True)
    assert caught.value.code in {"snapshot-damaged", "snapshot-version", "disk-full"}
    assert state(tmp_path) == before


LIST_EDITS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a newer version": lambda v: v.update(schema="vsearch.current/2"),
    "a manifest that climbs": lambda v: v["snapshots"][0].update(manifest="../../x"),
    "a manifest larger than may be": lambda v: v["snapshots"][0].update(manifest_bytes=1 << 40),
    "a tag with control characters": lambda v: v["snapshots"][0].update(tags=["\x1b[31mred"]),
    "a tag that is a number": lambda v: v["snapshots"][0].update(tags=["7"]),
    "a time that is text": lambda v: v["snapshots"][0].update(pushed="\x1b[31mnow"),
    "no current snapshot": lambda v: v.update(current=9),
    "no snapshots": lambda v: v.update(snapshots=[]),
    "the same number twice": lambda v: v["snapshots"].append(v["snapshots"][0]),
    "a number that is text": lambda v: v["snapshots"][0].update(number="1"),
    "an epoch of no end": lambda v: v.update(epoch=10**12),
    "no token": lambda v: v.pop("token"),
    "an unknown key": lambda v: v.update(more=1),
}


@pytest.mark.parametrize("kind", LIST_EDITS)
def test_a_forged_list_costs_an_error(store: Store, root: Path, tmp_path: Path, kind: str) -> None:
    store.push(root)
    values = json.loads(store.get(CURRENT))
    LIST_EDITS[kind](values)
    _write_current(store, values)
    works: list[Callable[[], object]] = [lambda: store.pull(tmp_path / "copy"), lambda: store.push(root, force=True)]
    for work in works:
        with pytest.raises(SnapshotError) as caught:
            work()
        assert caught.value.code == ("snapshot-version" if kind == "a newer version" else "snapshot-damaged")
    assert not (tmp_path / "copy").exists()


def test_objects_larger_than_announced_are_not_read_to_their_end(store: Store, root: Path, tmp_path: Path) -> None:
    store.push(root)
    data = store.get(CURRENT)
    store.put(CURRENT, data + b" " * (2 << 20))
    with pytest.raises(SnapshotError, match="larger than it may be"):
        store.pull(tmp_path / "copy")
    store.put(CURRENT, data)
    name = next(name for name in store.names() if name.startswith(MANIFESTS))
    store.put(name, store.get(name) + b" ")
    with pytest.raises(SnapshotError, match="larger than it may be"):
        store.pull(tmp_path / "copy")


# Races


def test_of_16_racing_pushers_one_wins_and_no_generation_is_lost(
    store: Store, embedder: WordEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = [make_project(tmp_path / f"project-{number}", embedder, 2) for number in range(16)]
    together = Barrier(len(roots), timeout=60)
    real = swap_history

    def wait_and_swap(*arguments: Any) -> None:
        together.wait()
        real(*arguments)

    monkeypatch.setattr(push_module, "swap_history", wait_and_swap)

    def push(root: Path) -> PushSummary | SnapshotError:
        try:
            return store.push(root)
        except SnapshotError as error:
            return error

    with ThreadPoolExecutor(len(roots)) as pool:
        outcomes = list(pool.map(push, roots))
    monkeypatch.undo()
    (winner,) = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, PushSummary)]
    losers = [each for each in outcomes if isinstance(each, SnapshotError)]
    assert {each.code for each in losers} == {"snapshot-conflict"}
    store.pull(tmp_path / "copy")
    assert answers(tmp_path / "copy", embedder) == answers(roots[winner], embedder)
    order = [winner]
    for number, root in enumerate(roots):
        if number != winner:
            store.push(root, force=True)
            order.append(number)
    history, _ = read_history(store.store)
    assert history is not None
    assert [each.number for each in history.snapshots] == list(range(1, 17))
    for snapshot, number in enumerate(order, 1):
        store.pull(tmp_path / "copy", str(snapshot), replace=True)
        assert answers(tmp_path / "copy", embedder) == answers(roots[number], embedder)


def test_a_stale_list_is_not_swapped_in_although_an_equal_one_is_back(store: Store, root: Path) -> None:
    store.push(root)
    history, version = read_history(store.store)
    assert history is not None
    tag_snapshot(store.store, "a", None)
    remove_tag(store.store, "a")
    with pytest.raises(SnapshotError) as caught:
        swap_history(store.store, history, version)
    assert caught.value.code == "snapshot-conflict"


def test_a_swap_whose_answer_was_lost_counts_as_done(store: Store, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = obstore.put

    def put_twice(memory: Any, name: str, *arguments: Any, **options: Any) -> Any:
        if name == CURRENT:
            real(memory, name, *arguments, **options)  # as a client does that got no answer
        return real(memory, name, *arguments, **options)

    monkeypatch.setattr(obstore, "put", put_twice)
    assert store.push(root).snapshot == 1
    assert tag_snapshot(store.store, "a", None).tags == ("a",)


@pytest.mark.parametrize("ignored", ["create", "update"])
def test_a_store_that_ignores_preconditions_is_refused(
    store: Store, root: Path, monkeypatch: pytest.MonkeyPatch, ignored: str
) -> None:
    real = obstore.put

    def put(memory: Any, name: str, data: bytes, **options: Any) -> Any:
        mode = options.get("mode")
        if ignored == ("create" if mode == "create" else "update"):
            options["mode"] = "overwrite"
        return real(memory, name, data, **options)

    monkeypatch.setattr(obstore, "put", put)
    with pytest.raises(SnapshotError) as caught:
        store.push(root)
    assert caught.value.code == "no-preconditions"
    assert store.names() == []


# Whose snapshot replaces whose


def test_a_pulled_index_is_changed_and_pushed_back(
    store: Store, root: Path, embedder: WordEmbedder, tmp_path: Path
) -> None:
    store.push(root)
    copy = tmp_path / "copy"
    store.pull(copy)
    assert not store.push(copy).is_new or answers(copy, embedder) == answers(root, embedder)
    change(copy, embedder, "The pump of the copy.", "2.txt")
    assert store.push(copy).is_new
    change(root, embedder, "The pump that changed meanwhile.")
    with pytest.raises(SnapshotError) as refused:
        store.push(root)
    assert refused.value.code == "not-built-on"
    with pytest.raises(InputError) as caught:
        store.pull(root)
    assert caught.value.code == "changes-not-pushed"
    store.pull(root, replace=True)
    assert answers(root, embedder) == answers(copy, embedder)


def test_an_index_that_was_pushed_is_replaced_without_asking(
    store: Store, root: Path, embedder: WordEmbedder, tmp_path: Path
) -> None:
    store.push(root)
    assert not store.pull(root).is_new
    store.pull(tmp_path / "copy")
    change(tmp_path / "copy", embedder, "The pump of the copy.", "2.txt")
    store.push(tmp_path / "copy")
    store.pull(root)
    assert answers(root, embedder) == answers(tmp_path / "copy", embedder)


def test_another_index_is_pushed_only_by_force(
    store: Store, root: Path, embedder: WordEmbedder, tmp_path: Path
) -> None:
    store.push(root)
    other = make_project(tmp_path / "other", embedder)
    with pytest.raises(SnapshotError) as caught:
        store.push(other)
    assert caught.value.code == "not-built-on"
    assert store.push(other, force=True).snapshot == 2


def test_tuning_of_a_pulled_index_is_not_lost_without_a_word(
    store: Store, root: Path, embedder: WordEmbedder, tmp_path: Path
) -> None:
    store.push(root)
    store.pull(tmp_path / "copy")
    store_fusion(tmp_path / "copy" / ".vsearch", TunedFusion("convex", 0.5, 1, 0.5, 0.4))
    change(root, embedder, "The pump is new.")
    store.push(root)
    with pytest.raises(InputError) as caught:
        store.pull(tmp_path / "copy")
    assert caught.value.code == "changes-not-pushed"


def test_settings_can_be_refused_before_anything_changes(
    store: Store, root: Path, embedder: WordEmbedder, tmp_path: Path
) -> None:
    store.push(root)
    copy = make_project(tmp_path / "copy", embedder, 2)
    before = state(copy)

    def refuse(settings: IndexSettings) -> None:
        raise IndexMismatchError("it", settings.model)

    with pytest.raises(IndexMismatchError, match="words"):
        store.pull(copy, replace=True, accept=refuse)
    assert state(copy) == before


# Tags, roll-back, pruning


@pytest.fixture
def versions(store: Store, root: Path, embedder: WordEmbedder) -> list[Answers]:
    """Push five versions, and return the answers of each."""
    found = []
    for number in range(5):
        change(root, embedder, f"The pump in its version {number}.")
        store.push(root)
        found.append(answers(root, embedder))
    return found


def test_any_snapshot_can_be_pulled_and_rolled_back_to(
    store: Store, root: Path, embedder: WordEmbedder, tmp_path: Path, versions: list[Answers]
) -> None:
    copy = tmp_path / "copy"
    tag_snapshot(store.store, "good", "2")
    for name, number in (("1", 0), ("good", 1), ("5", 4), (None, 4)):
        store.pull(copy, name)
        assert answers(copy, embedder) == versions[number]
    roll_back(store.store, "good")
    pulled = store.pull(copy)
    assert (pulled.snapshot, answers(copy, embedder)) == (2, versions[1])
    with open_snapshot(copy / ".vsearch") as snapshot:
        generation = snapshot.generation
    roll_back(store.store, "5")
    store.pull(copy)
    with open_snapshot(copy / ".vsearch") as snapshot:
        assert snapshot.generation > generation, "readers see the generation grow"
    change(root, embedder, "The pump after the roll-back.")
    assert store.push(root).snapshot == 6
    with pytest.raises(SnapshotError) as caught:
        roll_back(store.store, "nine")
    assert caught.value.code == "no-such-snapshot"


def test_tags_move_and_are_names(store: Store, versions: list[Answers]) -> None:
    assert len(versions) == 5
    tag_snapshot(store.store, "v1.0", "2")
    assert tag_snapshot(store.store, "v1.0", None).number == 5
    history, _ = read_history(store.store)
    assert history is not None
    assert [each.tags for each in history.snapshots] == [(), (), (), (), ("v1.0",)]
    for bad in ("", "7", "a b", "../x", "-x", "a" * 65, "\x1b"):
        with pytest.raises(ArgumentError):
            tag_snapshot(store.store, bad, None)
    remove_tag(store.store, "v1.0")
    with pytest.raises(SnapshotError):
        remove_tag(store.store, "v1.0")


def test_pruning_keeps_the_newest_the_current_and_the_tagged(
    store: Store, embedder: WordEmbedder, tmp_path: Path, versions: list[Answers]
) -> None:
    tag_snapshot(store.store, "kept", "1")
    roll_back(store.store, "2")
    before = set(store.names())
    dropped, count = prune_snapshots(store.store, 1)
    assert [each.number for each in dropped] == [3, 4]
    assert count == len(before - set(store.names())) > 0
    for name, number in (("kept", 0), ("2", 1), ("5", 4)):
        store.pull(tmp_path / "copy", name, replace=True)
        assert answers(tmp_path / "copy", embedder) == versions[number]
    assert prune_snapshots(store.store, 1) == ([], 0)
    with pytest.raises(SnapshotError) as caught:
        store.pull(tmp_path / "copy", "3")
    assert caught.value.code == "no-such-snapshot"


def test_a_prune_during_a_push_takes_nothing_from_it(
    store: Store,
    root: Path,
    embedder: WordEmbedder,
    tmp_path: Path,
    versions: list[Answers],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    roll_back(store.store, "1")
    real = swap_history

    def prune_first(*arguments: Any) -> None:
        monkeypatch.undo()
        prune_snapshots(store.store, 0)
        real(*arguments)

    monkeypatch.setattr(push_module, "swap_history", prune_first)
    with pytest.raises(SnapshotError) as caught:
        store.push(root)  # version 5 again, whose objects were about to be deleted
    assert caught.value.code == "snapshot-conflict"
    assert store.push(root).is_new
    prune_snapshots(store.store, 1)
    store.pull(tmp_path / "copy")
    assert answers(tmp_path / "copy", embedder) == versions[4]


def test_a_full_list_drops_the_oldest_without_tags(
    store: Store, root: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_module, "MOST_SNAPSHOTS", 3)
    for number in range(5):
        change(root, embedder, f"The pump in its version {number}.")
        store.push(root)
        if number == 0:
            tag_snapshot(store.store, "first", None)
    history, _ = read_history(store.store)
    assert history is not None
    assert [each.number for each in history.snapshots] == [1, 4, 5]


def test_an_empty_store_says_so(store: Store, tmp_path: Path) -> None:
    for work in (
        lambda: store.pull(tmp_path),
        lambda: roll_back(store.store, "1"),
        lambda: prune_snapshots(store.store, 1),
    ):
        with pytest.raises(SnapshotError) as caught:
            work()
        assert caught.value.code == "no-snapshots"
