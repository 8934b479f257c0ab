"""An index that came from elsewhere can't have files outside its folder read."""

import json
import shutil
from contextlib import closing
from pathlib import Path

import pytest
from process import Vsearch, write_files
from support import WordEmbedder, make_index

from vsearch_core.allowed import _file, allow
from vsearch_core.errors import InputError
from vsearch_core.index.forecast import forecast
from vsearch_core.index.removal import remove_paths
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.index.sources import Source
from vsearch_core.index.status import read_status
from vsearch_core.store.catalog import Catalog
from vsearch_core.text.discover import DiscoverOptions


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with an index, beside a private folder."""
    write_files(tmp_path, {"clone/a.txt": "heron", "private/key.txt": "zebra", "private/deep/b.txt": "okapi"})
    make_index(tmp_path / "clone", WordEmbedder(), Path())
    return tmp_path / "clone"


def forge(clone: Path, source: str) -> None:
    """Add a source to the index, as its author could."""
    with closing(Catalog.open_to_write(clone / ".vsearch")) as catalog, catalog.transaction():
        options = next(iter(catalog.sources().values()))
        catalog.put_source(source, options)


def paths(clone: Path) -> set[str]:
    with closing(Catalog.open_to_read(clone / ".vsearch")) as catalog:
        return set(catalog.files(live=True))


FORGED = ("../private", "{private}", "../private/key.txt", "./../clone/../private", "link", "link/deep", "/")


@pytest.mark.parametrize("source", FORGED)
def test_a_forged_source_is_refused_by_name(clone: Path, source: str) -> None:
    private = clone.parent / "private"
    if source.startswith("link"):
        (clone / "link").symlink_to("../private")
    forge(clone, source.format(private=private))
    before = paths(clone)
    with pytest.raises(InputError, match="never named on this machine") as caught:
        make_index(clone, WordEmbedder())
    assert caught.value.code == "source-not-named"
    assert Path(caught.value.subject).resolve() in {private, private / "key.txt", private / "deep", Path("/")}
    with pytest.raises(InputError, match="never named on this machine"):
        forecast(clone / ".vsearch", [], IndexOptions(), lambda _: WordEmbedder())
    assert paths(clone) == before


def test_a_forged_source_is_not_read_along_with_the_folder_that_is_named(clone: Path) -> None:
    """Known sources inside a named folder are walked too: one of them may be a link out of it."""
    (clone / "link").symlink_to("../private")
    forge(clone, "link")
    with pytest.raises(InputError, match="never named"):
        make_index(clone, WordEmbedder(), Path())
    (clone / "link").unlink()
    make_index(clone, WordEmbedder(), Path())
    assert paths(clone) == {"a.txt"}


def test_every_refused_source_is_named(clone: Path) -> None:
    for name in ("../private", "/etc"):
        forge(clone, name)
    with pytest.raises(InputError) as caught:
        make_index(clone, WordEmbedder())
    assert "private" in str(caught.value)
    assert "/etc" in str(caught.value)


def test_a_source_that_was_named_here_is_read_again(clone: Path) -> None:
    private = clone.parent / "private"
    assert make_index(clone, WordEmbedder(), private).outside == (str(private),)
    (private / "more.txt").write_text("quagga")
    assert make_index(clone, WordEmbedder()).added == 1
    with open_snapshot(clone / ".vsearch") as snapshot:
        assert read_status(snapshot).outside == (str(private),)
    planned = forecast(clone / ".vsearch", [], IndexOptions(), lambda _: WordEmbedder())
    assert planned.outside == (str(private),)


def test_a_folder_that_was_named_allows_what_is_in_it_and_nothing_beside_it(clone: Path) -> None:
    private = clone.parent / "private"
    make_index(clone, WordEmbedder(), private / "deep")
    forge(clone, "../private/deep/b.txt")
    make_index(clone, WordEmbedder())
    forge(clone, "../private")
    with pytest.raises(InputError, match="never named"):
        make_index(clone, WordEmbedder())


def test_a_plan_allows_nothing(clone: Path) -> None:
    source = Source(clone.parent / "private", DiscoverOptions())
    forecast(clone / ".vsearch", [source], IndexOptions(), lambda _: WordEmbedder())
    forge(clone, "../private")
    with pytest.raises(InputError, match="never named"):
        make_index(clone, WordEmbedder())


def test_what_another_index_was_allowed_counts_for_that_one_only(clone: Path) -> None:
    make_index(clone, WordEmbedder(), clone.parent / "private")
    shutil.copytree(clone, clone.parent / "copy")
    with pytest.raises(InputError, match="never named"):
        make_index(clone.parent / "copy", WordEmbedder())


RECORDS = (
    *("", "[]", "{", "[" * 100_000, '{"index": "KEY", "sources": "/"}', '{"index": "KEY", "sources": [5, null]}'),
    *('{"index": "KEY/", "sources": ["/"]}', '{"index": "KEY", "Sources": ["/"]}', '{"sources": ["/"]}'),
)


@pytest.mark.parametrize("record", RECORDS)
def test_a_damaged_record_allows_nothing(clone: Path, record: str) -> None:
    forge(clone, "../private")
    allow(clone / ".vsearch", {"sources": ["/nowhere"]})
    _file(clone / ".vsearch").write_text(record.replace("KEY", str(clone / ".vsearch")))
    with pytest.raises(InputError, match="never named"):
        make_index(clone, WordEmbedder())


def test_a_record_that_can_not_be_written_is_no_error(clone: Path, state_dir: Path) -> None:
    write_files(state_dir.parent, {state_dir.name: "a file in the folder's place"})
    assert make_index(clone, WordEmbedder(), clone.parent / "private").added == 2


def test_the_record_is_private_and_not_written_through_a_link(clone: Path, state_dir: Path) -> None:
    write_files(clone.parent, {"precious": "{}"})
    record = _file(clone / ".vsearch")
    record.parent.mkdir(parents=True)
    record.symlink_to(clone.parent / "precious")
    make_index(clone, WordEmbedder(), clone.parent / "private")
    assert (clone.parent / "precious").read_text() == "{}"
    expected = {"index": str(clone / ".vsearch"), "sources": [str(clone.parent / "private")]}
    assert json.loads(record.read_text()) == expected
    assert record.stat().st_mode & 0o077 == 0
    assert state_dir in record.parents


@pytest.mark.parametrize("source", ["../private", "{private}"])
def test_a_forged_source_can_be_removed(clone: Path, source: str) -> None:
    forge(clone, source.format(private=clone.parent / "private"))
    remove_paths(clone / ".vsearch", [clone.parent / "private"])
    assert make_index(clone, WordEmbedder()).unchanged == 1


def test_the_command_says_how_to_allow_it(vsearch: Vsearch, tmp_path: Path) -> None:
    write_files(tmp_path, {"clone/a.txt": "heron", "private/key.txt": "zebra"})
    clone, private = tmp_path / "clone", str(tmp_path / "private")
    assert vsearch("index", ".", cwd=clone).status == 0
    forge(clone, private)
    assert f"`vsearch index {private}`" in vsearch("index", cwd=clone).error
    assert f"`vsearch index {private}`" in vsearch("index", "--plan", cwd=clone).error
    assert f"outside   {private}" in vsearch("status", cwd=clone).out
    assert f"from outside too: {private}" in vsearch("index", private, cwd=clone).out
    assert vsearch("index", cwd=clone).status == 0
    assert f"outside   {private}" in vsearch("index", "--plan", cwd=clone).out
