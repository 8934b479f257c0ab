"""A new kind of part needs only an entry in the registry: writing, checking and measuring segments then include it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from support import WordEmbedder, make_index

from vsearch_core.errors import IndexCorruptError
from vsearch_core.index import parts
from vsearch_core.index.check import check_index
from vsearch_core.index.compaction import compact_index
from vsearch_core.index.limits import DEFAULT_LIMITS
from vsearch_core.index.parts import FormerSegment, Input, NewSegment, Part
from vsearch_core.index.progress import Observer
from vsearch_core.index.re_embedding import re_embed_index
from vsearch_core.index.repair import repair_index
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.index.status import read_status
from vsearch_core.store.segment import SEGMENTS_DIR, Arrays, SegmentWriter

DOCS = Path("docs")


def build(segment: NewSegment, writer: SegmentWriter) -> None:
    """Write the number of characters of each row's chunk."""
    texts = [stored.chunk.text for stored in segment.catalog.stored_chunks(segment.chunk_ids.tolist())]
    writer.add_arrays({"toy_lengths": np.array([len(text) for text in texts], np.int64)})


def merge(segment: NewSegment, writer: SegmentWriter) -> None:
    kept = [each.arrays["toy_lengths"][each.kept] for each in segment.former]
    writer.add_arrays({"toy_lengths": np.concatenate(kept)})


def faults(arrays: Arrays, _dimensions: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    if (arrays["toy_lengths"] <= 0).any():
        yield "toy_lengths", "lengths are not positive"


TOY = Part("toy", ("toy_",), Input.TEXTS, build, merge, by_row=("toy_lengths",), faults=faults, optional=True)


@pytest.fixture
def index(tmp_path: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index of two segments whose registry has the toy part."""
    monkeypatch.setattr(parts, "PARTS", (*parts.PARTS, TOY))
    (tmp_path / DOCS).mkdir()
    for name in ("one", "three"):
        (tmp_path / DOCS / f"{name}.txt").write_text(f"The text of {name}.")
        make_index(tmp_path, embedder, DOCS)
    return tmp_path / ".vsearch"


def toy_is_right(index: Path) -> bool:
    """Return True if all segments have the part, with the length of each live chunk's text."""
    with open_snapshot(index) as snapshot:
        for segment in snapshot.segments:
            live = segment.chunk_ids[segment.alive].tolist()
            texts = [stored.chunk.text for stored in snapshot.catalog.stored_chunks(live)]
            if segment.arrays["toy_lengths"][segment.alive].tolist() != [len(text) for text in texts]:
                return False
        return bool(snapshot.segments)


def files(index: Path) -> list[Path]:
    return sorted((index / SEGMENTS_DIR).glob("*/toy_lengths.npy"))


def test_a_part_is_built_at_a_commit_and_counted_in_the_status(index: Path) -> None:
    assert len(files(index)) == 2
    assert toy_is_right(index)
    with open_snapshot(index) as snapshot:
        assert read_status(snapshot).size["toy"] == sum(path.stat().st_size for path in files(index))


def test_a_part_survives_a_merge(index: Path) -> None:
    (index.parent / DOCS / "three.txt").unlink()
    make_index(index.parent, WordEmbedder())
    compact_index(index)
    assert len(files(index)) == 1
    assert toy_is_right(index)


def test_a_part_survives_a_re_embedding(index: Path) -> None:
    other = WordEmbedder("other", 32)
    re_embed_index(index, IndexOptions(model="other"), lambda _: other)
    assert len(files(index)) == 1
    assert toy_is_right(index)


def test_a_damaged_part_is_refused_found_by_check_and_rebuilt_by_repair(index: Path) -> None:
    path = files(index)[0]
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(IndexCorruptError), open_snapshot(index):
        pass
    (fault,) = check_index(index, full=True).faults
    assert fault.thing == str(path)
    assert repair_index(index).rebuilt == 1
    assert check_index(index, full=True).faults == ()
    assert toy_is_right(index)


def test_a_full_check_calls_the_parts_own_check(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build_wrong(segment: NewSegment, writer: SegmentWriter) -> None:
        writer.add_arrays({"toy_lengths": np.zeros(len(segment.chunk_ids), np.int64)})

    wrong = Part("toy", ("toy_",), Input.TEXTS, build_wrong, by_row=("toy_lengths",), faults=faults, optional=True)
    monkeypatch.setattr(parts, "PARTS", (*parts.PARTS[:-1], wrong))
    compact_index(index)
    (fault,) = check_index(index, full=True).faults
    assert (Path(fault.thing).name, fault.reason) == ("toy_lengths.npy", "lengths are not positive")


def test_segments_without_the_part_get_it_at_their_next_merge(
    tmp_path: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / DOCS).mkdir()
    (tmp_path / DOCS / "one.txt").write_text("The text of one.")
    make_index(tmp_path, embedder, DOCS)
    index = tmp_path / ".vsearch"
    monkeypatch.setattr(parts, "PARTS", (*parts.PARTS, TOY))
    (tmp_path / DOCS / "two.txt").write_text("The text of two.")
    make_index(tmp_path, embedder)
    assert len(files(index)) == 1
    compact_index(index)
    assert toy_is_right(index)


def test_a_copied_segment_has_the_same_files(index: Path) -> None:
    with open_snapshot(index) as snapshot:
        record = snapshot.catalog.segments()[0]
        arrays = parts.open_former(index, record).arrays
        former = FormerSegment(arrays, np.ones(record.rows, np.bool_))
        copy = NewSegment.merge(snapshot.catalog, [former], Observer(), DEFAULT_LIMITS)
        _, manifest = parts.write_parts(copy, snapshot.catalog.settings())
    assert {name: entry for name, entry in manifest.items() if name != "about"} == {
        name: entry for name, entry in record.manifest.items() if name != "about"
    }
