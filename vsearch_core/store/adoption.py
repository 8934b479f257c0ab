"""What a damaged catalog has forgotten and its segments still say: its settings, and which segments there are."""

import json
import sqlite3
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from vsearch_core.store.schema import LINEAGE
from vsearch_core.store.segment import SEGMENTS_DIR, About, is_segment_name, manifest_to_json, read_about

_ALIKE = (LINEAGE, "fingerprint", "analyzer")  # under which rows mean the same
_ROWS = ("vectors", "chunk_ids", "file_ids")  # files with a row for each of the segment's


class _Told(NamedTuple):
    """What a segment says of the index; later ones sort last."""

    generation: int
    name: str
    settings: dict[str, str]


def recall_settings(index: Path, named: Collection[str]) -> dict[str, str]:
    """The settings as the latest of the `named` segments says, or of all; empty if none does.

    Without names, some may be of an index that was here before: where they do not agree on a lineage, it is nobody's.
    """
    told = _told(index)
    trusted = [each for each in told if each.name in named] or told
    if not trusted:
        return {}
    settings = {**max(trusted).settings, "generation": str(max(told).generation + 1)}
    if len({each.settings.get(LINEAGE) for each in trusted}) > 1:
        settings.pop(LINEAGE, None)
    return settings


def adopt(index: Path, target: sqlite3.Connection) -> tuple[Path, ...]:
    """Name segments that the catalog has forgotten, as older ones than it has: those whose rows mean what they did.

    Ids are never handed out twice in one lineage, so the rows of one that had already gone are right too; those that
    another segment has as well are the caller's to drop. Returns the segments that were not named, and are not.
    """
    known = dict(target.execute("SELECT name, id FROM segments"))
    settings = dict(target.execute("SELECT key, value FROM settings"))
    number = min(known.values(), default=1)
    for each in sorted(_told(index), reverse=True):
        alike = all(key in settings and each.settings.get(key) == settings[key] for key in _ALIKE)
        about = read_about(index, each.name) if alike and each.name not in known else None
        if about is not None and _has_rows(about):
            number -= 1
            known[each.name] = number
            values = (number, each.name, about.manifest["vectors"].rows, json.dumps(manifest_to_json(about.manifest)))
            target.execute("INSERT INTO segments (id, name, rows, manifest) VALUES (?, ?, ?, ?)", values)
    return tuple(path for path in _folders(index) if path.name not in known)


def _folders(index: Path) -> list[Path]:
    return sorted(path for path in (index / SEGMENTS_DIR).glob("*") if is_segment_name(path.name))


def _told(index: Path) -> list[_Told]:
    """What the segments that are there say, those that do."""
    told = ((folder.name, read_about(index, folder.name)) for folder in _folders(index))
    return [_Told(_generation(about), name, dict(about.settings)) for name, about in told if about is not None]


def _generation(about: About) -> int:
    text = about.settings.get("generation", "")
    return int(text) if text.isdecimal() and len(text) < 19 else 0


def _has_rows(about: About) -> bool:
    rows = {about.manifest[key].rows if key in about.manifest else None for key in _ROWS}
    return len(rows) == 1 and None not in rows
