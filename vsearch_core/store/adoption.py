"""What a damaged catalog has forgotten and segments still say: its settings, and whose their rows are."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from vsearch_core.store.catalog import SegmentRecord
from vsearch_core.store.schema import LINEAGE
from vsearch_core.store.segment import About, read_about, segment_folders

_ALIKE = (LINEAGE, "fingerprint")  # under which vectors mean the same
_ROWS = ("vectors", "chunk_ids")  # files with a row for each of the segment's


class _Told(NamedTuple):
    """What a segment says of the index; later ones sort last."""

    generation: int
    name: str
    settings: dict[str, str]


def recall_settings(index: Path, named: Collection[str]) -> dict[str, str]:
    """The settings as the latest of the `named` segments says; where none is, of all. Empty if none does.

    Without names, some may be of an index that was here before: where they do not agree on a lineage, it is nobody's,
    and where they do not agree on a model, none is believed.
    """
    told = _told(index)
    trusted = [each for each in told if each.name in named] if named else told
    if len({each.settings.get("fingerprint") for each in trusted}) != 1:
        return {}
    settings = {**max(trusted).settings, "generation": str(max(told).generation + 1)}
    if len({each.settings.get(LINEAGE) for each in trusted}) > 1:
        settings.pop(LINEAGE, None)
    return settings


def orphan_segments(
    index: Path, settings: Mapping[str, str], named: Collection[str]
) -> tuple[list[SegmentRecord], list[Path]]:
    """Segments that are not named and whose rows mean what they did, oldest first; and the folders of all unnamed ones.

    Ids are never handed out twice in one lineage, so what a segment holds of a chunk that is there is right.
    """
    folders = [folder for folder in segment_folders(index) if folder.name not in named]
    found = []
    for folder in folders:
        about = read_about(index, folder.name)
        if about is not None and _is_alike(about, settings) and _has_rows(about):
            record = SegmentRecord(0, folder.name, about.manifest["vectors"].rows, about.manifest, None)
            found.append((_generation(about), record))
    return [record for _, record in sorted(found, key=lambda each: each[0])], folders


def _told(index: Path) -> list[_Told]:
    """What the segments that are there say, those that do."""
    told = ((folder.name, read_about(index, folder.name)) for folder in segment_folders(index))
    return [_Told(_generation(about), name, dict(about.settings)) for name, about in told if about is not None]


def _generation(about: About) -> int:
    text = about.settings.get("generation", "")
    return int(text) if text.isdecimal() and len(text) < 19 else 0


def _is_alike(about: About, settings: Mapping[str, str]) -> bool:
    return all(key in settings and about.settings.get(key) == settings[key] for key in _ALIKE)


def _has_rows(about: About) -> bool:
    rows = {about.manifest[key].rows if key in about.manifest else None for key in _ROWS}
    return len(rows) == 1 and None not in rows
