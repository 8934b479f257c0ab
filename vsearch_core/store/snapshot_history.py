"""The snapshots of a store: the list CURRENT, which is replaced by conditional puts, and a manifest for each snapshot.

Everything else in the store is an object that is written once: `objects/EPOCH/HASH` and `manifests/EPOCH/HASH`, named
after the blake2b-128 hash of its bytes. docs/adr/0052-snapshots.md says what epochs are for.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from secrets import token_hex
from typing import Any

from vsearch_core.errors import SnapshotError
from vsearch_core.json_text import parse_json
from vsearch_core.store.archive import LARGEST_MEMBER, LAST_GENERATION, SEGMENT_FILE, Contents, Member
from vsearch_core.store.files import checksum
from vsearch_core.store.tables import CATALOG_FILE

CURRENT = "CURRENT"
OBJECTS = "objects"
MANIFESTS = "manifests"
BLOCK_BYTES = 1 << 16  # of the catalog: the smallest part of it that is stored anew
LARGEST_CURRENT = 1 << 20  # bytes
LARGEST_MANIFEST = 1 << 23  # bytes: those of a catalog of 12 GB
MOST_SNAPSHOTS = 1000  # in the list; a push drops the oldest ones beyond that, but for those with tags
CURRENT_SCHEMA = "vsearch.current/1"
MANIFEST_SCHEMA = "vsearch.manifest/1"

_KEY = re.compile(r"[1-9][0-9]{0,8}/[0-9a-f]{32}")  # "EPOCH/HASH"
_TOKEN = re.compile(r"[0-9a-f]{32}")
_LINEAGE = re.compile(r"[0-9a-f]{32}|")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")
_TAG = re.compile(r"(?=.*[A-Za-z_.-])[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")  # not a number: those are snapshots'
_INVALID = (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """A generation of an index in a store of snapshots.

    `number` counts the store's snapshots from 1. `manifest` is "EPOCH/HASH", and `manifest_bytes` its size. `lineage`
    and `generation` are those of the index that was pushed. `bytes` is the size of its files, `pushed` the time in UTC,
    as its machine saw it. `tags` are names that keep the snapshot from being pruned.
    """

    number: int
    manifest: str
    manifest_bytes: int
    lineage: str
    generation: int
    files: int
    chunks: int
    bytes: int
    pushed: str
    tags: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        """Return the hash of the manifest, which identifies the snapshot's content."""
        return self.manifest.partition("/")[2]


@dataclass(frozen=True, slots=True)
class SnapshotHistory:
    """The content of CURRENT: the snapshots by ascending number, and the number of the current one.

    `token` is random and new in each version, so that no two versions have equal bytes. New objects are written in the
    epoch `epoch`.
    """

    token: str
    epoch: int
    current: int
    snapshots: tuple[StoredSnapshot, ...]

    @property
    def newest(self) -> StoredSnapshot:
        """Return the snapshot that is current: the one that `pull` gets."""
        return next(each for each in self.snapshots if each.number == self.current)

    def find(self, name: str) -> StoredSnapshot | None:
        """Return the snapshot with a number or tag, or None."""
        return next((each for each in self.snapshots if name == str(each.number) or name in each.tags), None)

    def to_json(self) -> bytes:
        """Return the bytes of CURRENT, with a checksum of themselves."""
        values = {"schema": CURRENT_SCHEMA, **asdict(self)}
        digest = checksum([json.dumps(values).encode()])
        return json.dumps({**values, "checksum": digest}, indent=1).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class SnapshotManifest:
    """The files of one snapshot, and the objects that hold them, each as "EPOCH/HASH".

    The catalog, which is the first file, is stored in blocks of BLOCK_BYTES. Each other file is one object.
    """

    contents: Contents
    blocks: tuple[str, ...]
    objects: tuple[str, ...]

    @property
    def epochs(self) -> dict[str, str]:
        """Return the "EPOCH/HASH" of all objects, by their hashes."""
        return {key.partition("/")[2]: key for key in (*self.blocks, *self.objects)}

    def to_json(self) -> bytes:
        """Return the bytes of the manifest. Equal snapshots have equal bytes."""
        catalog, *files = self.contents.members
        values = {
            "schema": MANIFEST_SCHEMA,
            "generation": self.contents.generation,
            "catalog": {"bytes": catalog.bytes, "blake2b": catalog.blake2b, "blocks": self.blocks},
            "files": [
                {"name": file.name, "bytes": file.bytes, "object": key}
                for file, key in zip(files, self.objects, strict=True)
            ],
        }
        return json.dumps(values, indent=1).encode() + b"\n"


def new_token() -> str:
    """Return a random token for a version of CURRENT."""
    return token_hex(16)


def is_tag(name: str) -> bool:
    """Return True for 1 to 64 letters, digits and ._- that don't look like a number."""
    return _TAG.fullmatch(name) is not None


def parse_current(url: str, data: bytes) -> SnapshotHistory:
    """Return the content of CURRENT. `url` is the store's name in the SnapshotError for anything unexpected."""
    try:
        values = _checked_schema(url, data, CURRENT_SCHEMA)
        del values["checksum"]  # it is compared with the rest of the bytes
        snapshots = tuple(StoredSnapshot(**{**each, "tags": tuple(each["tags"])}) for each in values.pop("snapshots"))
        history = SnapshotHistory(snapshots=snapshots, **values)
        if not _is_plausible(history) or history.to_json() != data:
            raise ValueError
    except _INVALID:
        raise SnapshotError(url, f"its object {CURRENT} is damaged", "snapshot-damaged") from None
    return history


def parse_manifest(url: str, data: bytes) -> SnapshotManifest:
    """Return the content of a manifest, whose hash is right. Raises SnapshotError for anything unexpected."""
    try:
        values = _checked_schema(url, data, MANIFEST_SCHEMA)
        catalog, files, generation = values["catalog"], values["files"], values["generation"]
        blocks, objects = tuple(catalog["blocks"]), tuple(file["object"] for file in files)
        if not all(isinstance(key, str) and _KEY.fullmatch(key) for key in (*blocks, *objects)):
            raise ValueError
        members = (
            Member(CATALOG_FILE, catalog["bytes"], catalog["blake2b"]),
            *(Member(file["name"], file["bytes"], file["object"].partition("/")[2]) for file in files),
        )
        manifest = SnapshotManifest(Contents(generation, members), blocks, objects)
        if not _has_plausible_files(manifest) or manifest.to_json() != data:
            raise ValueError
    except _INVALID:
        raise SnapshotError(url, "the snapshot is damaged: its manifest is invalid", "snapshot-damaged") from None
    return manifest


def _checked_schema(url: str, data: bytes, schema: str) -> dict[str, Any]:
    """Return the values of JSON without its schema. Raises SnapshotError for another version of the schema."""
    values = dict(parse_json(data))
    found = values.pop("schema")
    if found != schema:
        kind = schema.partition("/")[0]
        if isinstance(found, str) and re.fullmatch(rf"{re.escape(kind)}/\d{{1,9}}", found):
            raise SnapshotError(url, f"it has format {found}, this vsearch reads {schema}", "snapshot-version")
        raise ValueError
    return values


def _is_plausible(history: SnapshotHistory) -> bool:
    numbers = [each.number for each in history.snapshots]
    tags = [tag for each in history.snapshots for tag in each.tags]
    return (
        _TOKEN.fullmatch(history.token) is not None
        and _is_count(history.epoch)
        and 1 <= history.epoch < 10**9
        and all(map(_is_plausible_snapshot, history.snapshots))
        and numbers == sorted(set(numbers))
        and type(history.current) is int
        and history.current in numbers
        and len(set(tags)) == len(tags)
    )


def _is_plausible_snapshot(snapshot: StoredSnapshot) -> bool:
    counts = (snapshot.number, snapshot.manifest_bytes, snapshot.files, snapshot.chunks, snapshot.bytes)
    return (
        all(map(_is_count, (*counts, snapshot.generation)))
        and snapshot.number >= 1
        and snapshot.manifest_bytes <= LARGEST_MANIFEST
        and _KEY.fullmatch(snapshot.manifest) is not None
        and _LINEAGE.fullmatch(snapshot.lineage) is not None
        and _TIME.fullmatch(snapshot.pushed) is not None
        and all(map(is_tag, snapshot.tags))
    )


def _has_plausible_files(manifest: SnapshotManifest) -> bool:
    contents = manifest.contents
    catalog, *files = contents.members
    names = [file.name for file in files]
    return (
        _is_count(contents.generation)
        and all(_is_count(member.bytes) and member.bytes <= LARGEST_MEMBER for member in contents.members)
        and re.fullmatch(r"[0-9a-f]{32}", catalog.blake2b) is not None
        and len(manifest.blocks) == -(-catalog.bytes // BLOCK_BYTES)
        and all(map(SEGMENT_FILE.fullmatch, names))
        and len(set(names)) == len(names)
    )


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= LAST_GENERATION


def objects_of(manifests: Mapping[str, SnapshotManifest]) -> set[str]:
    """Return the names of all objects that snapshots need. `manifests` are theirs, by "EPOCH/HASH"."""
    keys = {key for manifest in manifests.values() for key in (*manifest.blocks, *manifest.objects)}
    return {f"{MANIFESTS}/{key}" for key in manifests} | {f"{OBJECTS}/{key}" for key in keys}
