"""`vsearch query --fresh`: changed files of hits are brought up to date first, and what can't be is said."""

import os
from pathlib import Path

from process import Vsearch

from vsearch_core.store.lock import writer_lock


def change(path: Path, text: str) -> None:
    path.write_text(text)
    os.utime(path, (1_577_880_000, 1_577_880_000))


def test_a_query_shows_the_text_that_a_file_has_now(vsearch: Vsearch, indexed: Path) -> None:
    change(indexed / "pump.txt", "The pump was sold.\n")
    (indexed / "bread.txt").unlink()
    for option in ("--fresh=1", "--fresh=x", "--fresh=0"):
        stale = vsearch("query", option, "pump", cwd=indexed)
        assert "was sold" not in stale.out
        assert ("Invalid value for '--fresh'" in stale.err) == (option != "--fresh=1")
    # Without a value, the option takes none of the words that follow.
    found = vsearch("query", "--fresh", "pump", "--json", cwd=indexed).json
    assert [(hit["path"], hit["text"], hit["stale"]) for hit in found["hits"]] == [
        ("pump.txt", "The pump was sold.", None)
    ]
    assert found["query"] == "pump"
    assert "not_reread" not in found


def test_what_is_not_brought_up_to_date_is_said(vsearch: Vsearch, indexed: Path) -> None:
    change(indexed / "pump.txt", "The pump was sold.\n")
    with writer_lock(indexed / ".vsearch"):
        found = vsearch("query", "pump", "--fresh=100", "--json", cwd=indexed)
    (left,) = found.json["not_reread"]
    assert left["path"] == "pump.txt" and "another vsearch is writing" in left["reason"]
    assert "pump.txt: still as it was indexed (another vsearch is writing" in found.err
    assert [hit["stale"] for hit in found.json["hits"] if hit["path"] == "pump.txt"] == ["changed"]
