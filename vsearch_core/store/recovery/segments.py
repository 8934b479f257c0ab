"""Find the settings of an index that has lost them, and the segments that belong to it, in segment folders."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from vsearch_core.store.catalog import SegmentRecord
from vsearch_core.store.segment import About, read_about, segment_folders
from vsearch_core.store.tables import LINEAGE

_IDENTITY = (LINEAGE, "fingerprint")  # settings that must agree for ids and vectors to mean the same
_PER_ROW = ("vectors", "codes_rows", "chunk_ids")  # files with one entry a row; of the first two, a segment has one


class _SegmentSettings(NamedTuple):
    """The settings that a segment keeps; sorts by generation."""

    generation: int
    name: str
    settings: dict[str, str]


def settings_from_segments(index: Path, named: Collection[str]) -> dict[str, str]:
    """Return the index's settings as its newest segment has them. Only segments in `named` count, unless it is empty.

    If `named` is empty, some segments may come from an earlier index in the same folder. If the segments have different
    lineages (random ids of indexes), the lineage is left out. If they have different models, the result is empty.
    """
    found = _all_settings(index)
    trusted = [each for each in found if each.name in named] if named else found
    if len({each.settings.get("fingerprint") for each in trusted}) != 1:
        return {}
    settings = {**max(trusted).settings, "generation": str(max(found).generation + 1)}
    if len({each.settings.get(LINEAGE) for each in trusted}) > 1:
        settings.pop(LINEAGE, None)
    return settings


def orphan_segments(
    index: Path, settings: Mapping[str, str], named: Collection[str]
) -> tuple[list[SegmentRecord], list[Path]]:
    """Find the segments that are not in `named`. Return the usable ones, oldest first, and the folders of all.

    A segment is usable if its lineage and model are those of `settings`. Within a lineage no id is used twice, so the
    segment's chunk ids mean the same chunks as in the catalog.
    """
    folders = [folder for folder in segment_folders(index) if folder.name not in named]
    found = []
    for folder in folders:
        about = read_about(index, folder.name)
        if about is not None and _has_identity(about, settings) and _has_rows(about):
            record = SegmentRecord(0, folder.name, about.manifest["chunk_ids"].rows, about.manifest, None)
            found.append((_generation(about), record))
    return [record for _, record in sorted(found, key=lambda each: each[0])], folders


def _all_settings(index: Path) -> list[_SegmentSettings]:
    found = ((folder.name, read_about(index, folder.name)) for folder in segment_folders(index))
    return [_SegmentSettings(_generation(about), name, dict(about.settings)) for name, about in found if about]


def _generation(about: About) -> int:
    text = about.settings.get("generation", "")
    return int(text) if text.isdecimal() and len(text) < 19 else 0


def _has_identity(about: About, settings: Mapping[str, str]) -> bool:
    return all(key in settings and about.settings.get(key) == settings[key] for key in _IDENTITY)


def _has_rows(about: About) -> bool:
    rows = [about.manifest[key].rows for key in _PER_ROW if key in about.manifest]
    return "chunk_ids" in about.manifest and len(rows) > 1 and len(set(rows)) == 1
