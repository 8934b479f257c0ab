"""Files in archives, from the index to hits, `Index.read`, `Index.verify` and removal."""

from pathlib import Path

import pytest
from packages import pack
from support import WordEmbedder

import vsearch_core as vsearch

NOTE = "# Boats\n\nfirst\n\n## Repairs\n\nThe keel was patched with copper.\n"


def test_files_in_an_archive_are_found_read_and_cited(tmp_path: Path, embedder: WordEmbedder) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "box.zip").write_bytes(pack({"letters/may.md": NOTE, "b.txt": "an unrelated heron"}))
    (folder / "tool.zip").write_bytes(pack({"a.py": "keel = 1"}))
    with vsearch.open_index(tmp_path, create=True, open_embedder=lambda _spec: embedder) as index:
        summary = index.update([folder])
        assert (summary.added, summary.skipped, summary.failed) == (1, 1, 0)
        hit = index.search("keel copper", mode="keyword").hits[0]
        assert (hit.path, hit.place, hit.start_line) == ("old/box.zip", "box.zip!letters/may.md", 1)
        by_name = index.search("heron", where="EXISTS (SELECT 1 FROM json_each(files) WHERE value = 'b.txt')")
        assert by_name.hits[0].place == "box.zip!b.txt"

        whole = index.read("old/box.zip!letters/may.md")
        assert whole.text.strip() == NOTE.strip()
        line = index.read("old/box.zip!letters/may.md:7")
        assert (line.text, line.place) == ("The keel was patched with copper.", "box.zip!letters/may.md")
        with pytest.raises(vsearch.InputError) as caught:
            index.read("old/box.zip!none.md")
        assert caught.value.code == "no-text"

        verdict = index.record_verdict("copper", "old/box.zip!letters/may.md:7")
        assert (verdict.path, verdict.member, verdict.line) == ("old/box.zip", "letters/may.md", 7)
        assert index.verdicts() == ([verdict], 0)

        claim = index.verify("It says “the keel was patched with copper” in old/box.zip!letters/may.md").claims[0]
        assert claim.status == "supported"
        assert claim.found is not None and claim.found.place == "box.zip!letters/may.md"

        assert index.update([folder], source_archives=True).added == 1
        assert index.search("keel", mode="keyword", path="old/tool.zip").hits[0].place == "tool.zip!a.py"
        (folder / "box.zip").unlink()
        index.update([folder])
        assert not index.search("copper", mode="keyword").hits
