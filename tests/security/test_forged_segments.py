"""Forged arrays of a segment, with right checksums, are named as damage by each command that reads them."""

import json
import shutil
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from process import write_files
from support import WordEmbedder, make_index

import vsearch_core
from vsearch_core.errors import IndexCorruptError, VsearchError
from vsearch_core.index.limits import IndexLimits
from vsearch_core.index.settings import IndexOptions
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.segment import manifest_to_json, open_segment, write_segment

Arrays = dict[str, Any]


def _replace(name: str, change: Callable[[Any], Any]) -> Callable[[Arrays], None]:
    def forge(arrays: Arrays) -> None:
        arrays[name] = np.ascontiguousarray(change(arrays[name]))

    return forge


FORGERIES: dict[str, Callable[[Arrays], object]] = {
    "no vectors": lambda arrays: arrays.pop("vectors"),
    "no chunk ids": lambda arrays: arrays.pop("chunk_ids"),
    "no file ids": lambda arrays: arrays.pop("file_ids"),
    "vectors of another dimension": _replace("vectors", lambda array: array[:, :3]),
    "vectors without a dimension": _replace("vectors", lambda array: array[:, :0]),
    "vectors of one axis": _replace("vectors", lambda array: array.ravel()),
    "vectors of three axes": _replace("vectors", lambda array: array[:, :, None]),
    "vectors of floats": _replace("vectors", lambda array: array.astype("<f8")),
    "vectors of bytes": _replace("vectors", lambda array: array.view("u1")),
    "too few vectors": _replace("vectors", lambda array: array[:1]),
    "too many vectors": _replace("vectors", lambda array: np.concatenate([array, array])),
    "chunk ids of floats": _replace("chunk_ids", lambda array: array.astype("<f8")),
    "negative chunk ids": _replace("chunk_ids", lambda array: array - 2**62),
    "equal chunk ids": _replace("chunk_ids", lambda array: array * 0 + 1),
    "too few chunk ids": _replace("chunk_ids", lambda array: array[:1]),
    "a table of chunk ids": _replace("chunk_ids", lambda array: array[:, None]),
    "windows beyond their end": lambda arrays: arrays.update(
        windows_stops=np.array([2**62] * len(arrays["chunk_ids"])), windows_codes=np.zeros((1, 8), np.uint8)
    ),
    "windows backwards": lambda arrays: arrays.update(
        windows_stops=-np.arange(len(arrays["chunk_ids"])), windows_codes=np.zeros((1, 8), np.uint8)
    ),
    "windows of no width": lambda arrays: arrays.update(
        windows_stops=np.arange(len(arrays["chunk_ids"])), windows_codes=np.zeros((9, 0), np.uint8)
    ),
}


# Of a segment with 60 rows of 24 dimensions and codes of 8 bytes, searched by kernels that check no bounds
CODE_FORGERIES: dict[str, Callable[[Arrays], object]] = {
    "no rotation": lambda arrays: arrays.pop("pq_rotation"),
    "no codes": lambda arrays: arrays.pop("pq_codes_8"),
    "a missing block of codes": _replace("pq_codes_8", lambda array: array[:0]),
    "more bytes than dimensions": lambda arrays: arrays.update(pq_codes_32=arrays.pop("pq_codes_8").repeat(4, 1)),
    "codes of another width": _replace("pq_codes_8", lambda array: array[:, :-64]),
    "codes of one axis": _replace("pq_codes_8", lambda array: array.ravel()),
    "codes of numbers": _replace("pq_codes_8", lambda array: array.view("<u2")),
    "centroids of another dimension": _replace("pq_centroids", lambda array: array[:, :3]),
    "too few centroids": _replace("pq_centroids", lambda array: array[:1]),
    "more lists than rows": _replace("pq_centroids", lambda array: array.repeat(20, 0)),
    "lists beyond the rows": _replace("pq_stops", lambda array: array * 1000),
    "lists backwards": _replace("pq_stops", lambda array: array[::-1]),
    "one row in all lists": _replace("pq_order", lambda array: array * 0),
    "rows out of range": _replace("pq_order", lambda array: array + 60),
    "too few sub-vectors": _replace("pq_books", lambda array: array[:-1]),
    "five centroids a sub-vector": _replace("pq_books", lambda array: array[:, :5]),
    "endless centroids": _replace("pq_books", lambda array: np.full_like(array, np.inf)),
    "too few directions": _replace("pq_rotation", lambda array: array[:-1]),
    "long directions": _replace("pq_rotation", lambda array: array * 0 + 32_767),
    "no error": _replace("pq_error", lambda array: array[:0]),
    "an error that is no number": _replace("pq_error", lambda array: np.full_like(array, np.nan)),
}


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = {f"{number}.txt": f"heron weir {number}" for number in range(60)}
    project = write_files(tmp_path_factory.mktemp("coded") / "project", files)
    options, limits = IndexOptions(ann="pq8"), IndexLimits(graph_rows=50)
    make_index(project, WordEmbedder(dimension=24), Path(), options=options, limits=limits)
    return project


@pytest.mark.parametrize("forgery", CODE_FORGERIES)
def test_forged_codes_are_refused_before_a_search(coded: Path, tmp_path: Path, forgery: str) -> None:
    project = Path(shutil.copytree(coded, tmp_path / "project"))
    forge(project / ".vsearch", CODE_FORGERIES[forgery])
    with vsearch_core.open_index(project, open_embedder=lambda _: WordEmbedder(dimension=24)) as index:
        with pytest.raises(IndexCorruptError):
            index.search("heron", mode="vector", nprobe=4)
        assert index.check(full=True).faults


# Of an index that keeps codes instead of vectors
ARCHIVE_FORGERIES: dict[str, Callable[[Arrays], object]] = {
    "no codes": lambda arrays: arrays.pop("codes_rows"),
    "too few codes": _replace("codes_rows", lambda array: array[:-1]),
    "codes of another size": _replace("codes_rows", lambda array: array[:, 1:]),
    "no codebook": lambda arrays: arrays.pop("codes_books"),
    "another number of centroids": _replace("codes_books", lambda array: array[:, :5]),
    "endless centroids": _replace("codes_books", lambda array: np.full_like(array, np.nan)),
    "too few directions": _replace("codes_rotation", lambda array: array[:-1]),
    "a centre of floats": _replace("codes_centre", lambda array: array.astype(np.float64)),
    "all of another dimension": lambda arrays: arrays.update(
        codes_rows=arrays["codes_rows"][:, :4],
        codes_centre=arrays["codes_centre"][:8],
        codes_rotation=np.ascontiguousarray(arrays["codes_rotation"][:8, :8]),
        codes_books=arrays["codes_books"][:8],
    ),
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = {f"{number}.txt": f"heron weir {number}" for number in range(60)}
    project = write_files(tmp_path_factory.mktemp("archive") / "project", files)
    limits = IndexLimits(coded_rows=50)
    make_index(project, WordEmbedder(dimension=24), Path(), options=IndexOptions(vectors="none"), limits=limits)
    return project


@pytest.mark.parametrize("forgery", ARCHIVE_FORGERIES)
def test_forged_codes_of_an_archive_are_refused(archive: Path, tmp_path: Path, forgery: str) -> None:
    project = Path(shutil.copytree(archive, tmp_path / "project"))
    forge(project / ".vsearch", ARCHIVE_FORGERIES[forgery])
    write_files(project, {f"new {number}.txt": f"mill {number}" for number in range(60)})
    with vsearch_core.open_index(project, open_embedder=lambda _: WordEmbedder(dimension=24)) as index:
        with pytest.raises(IndexCorruptError):
            index.search("heron", mode="vector")
        assert index.check(full=True).faults
        with suppress(VsearchError):
            make_index(project, WordEmbedder(dimension=24), limits=IndexLimits(coded_rows=50))
        with suppress(VsearchError):
            index.compact()
    vsearch_core.repair_index(project)
    with vsearch_core.open_index(project, open_embedder=lambda _: WordEmbedder(dimension=24)) as index:
        assert not index.check(full=True).faults


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = write_files(
        tmp_path_factory.mktemp("made") / "project", {f"{word}.txt": word for word in ("heron", "weir")}
    )
    make_index(project, WordEmbedder(), Path())
    return project


def forge(index: Path, change: Callable[[Arrays], object]) -> None:
    with closing(Catalog.open_to_write(index)) as catalog:
        record = catalog.segments()[0]
        arrays = {name: np.array(each) for name, each in open_segment(index, record.name, record.manifest).items()}
        arrays.pop("about", None)
        change(arrays)
        name, manifest = write_segment(index, arrays, catalog.settings())
        with catalog.transaction():
            values = (name, json.dumps(manifest_to_json(manifest)), record.id)
            catalog.connection.execute("UPDATE segments SET name = ?, manifest = ? WHERE id = ?", values)


@pytest.mark.parametrize("forgery", FORGERIES)
def test_forged_arrays_are_no_internal_error(made: Path, tmp_path: Path, forgery: str) -> None:
    project = Path(shutil.copytree(made, tmp_path / "project"))
    forge(project / ".vsearch", FORGERIES[forgery])
    write_files(project, {"copy.txt": "heron", "new.txt": "mill"})  # a text whose vector the index has, and another
    commands: tuple[Callable[[vsearch_core.Index], object], ...] = (
        lambda index: index.check(full=True),
        lambda index: index.search("heron"),
        lambda index: index.status(),
        lambda index: index.similar("heron.txt"),
        lambda index: index.verify('He wrote "heron weir mill stone" (heron.txt:1).'),
        lambda index: index.read("heron.txt"),
        lambda index: index.update([project]),
        lambda index: index.compact(),
        lambda index: index.search("heron"),
        lambda index: index.export(tmp_path / "archive"),
    )
    for command in commands:
        with (
            suppress(VsearchError),
            vsearch_core.open_index(project, open_embedder=lambda _: WordEmbedder()) as index,
        ):
            command(index)
    with suppress(VsearchError):
        vsearch_core.repair_index(project)


def test_a_source_with_a_null_character_is_damage(made: Path, tmp_path: Path) -> None:
    project = Path(shutil.copytree(made, tmp_path / "project"))
    with closing(Catalog.open_to_write(project / ".vsearch")) as catalog, catalog.transaction():
        catalog.connection.execute("INSERT INTO sources (path, options) VALUES (?, ?)", ("a\0b", "{}"))
    with (
        vsearch_core.open_index(project, open_embedder=lambda _: WordEmbedder()) as index,
        pytest.raises(IndexCorruptError, match="null character"),
    ):
        index.status()
