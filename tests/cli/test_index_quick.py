"""`vsearch index --quick`: what it prints, what queries say until its end, and what it can't be combined with."""

from pathlib import Path

import pytest
from process import Vsearch, write_files

from vsearch_core.embed.open import open_embedder
from vsearch_core.index.limits import IndexLimits
from vsearch_core.index.progress import Observer
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.sources import Source
from vsearch_core.index.writer import update_index
from vsearch_core.text.discover import DiscoverOptions

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
FILES = {f"{word}.txt": f"The {word} stands by the old water mill." for word in ("heron", "weir", "sluice")}


def stop_after_a_chunk(vsearch: Vsearch, project: Path) -> None:
    """Make interim vectors, and stop when the model has embedded a chunk."""
    ready: list[int] = []
    observer = Observer(interim_ready=lambda *facts: ready.append(facts[-1]), should_stop=lambda: bool(ready))
    limits = IndexLimits(chunks_per_re_embedding_block=1)
    sources = [Source(project, DiscoverOptions())]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VSEARCH_CACHE_DIR", vsearch.environment["VSEARCH_CACHE_DIR"])
        update_index(project / ".vsearch", sources, IndexOptions(), open_embedder, observer, limits=limits, quick=True)
    assert ready == [len(FILES)]


def test_interim_vectors_are_shown_until_the_next_run_replaces_them(vsearch: Vsearch, project: Path) -> None:
    stop_after_a_chunk(vsearch, write_files(project, FILES))
    found = vsearch("query", "heron mill", cwd=project)
    assert found.lines[0].startswith("heron.txt")
    assert f"quick vectors of a static model; `vsearch index` replaces them by those of {MODEL}" in found.err
    answer = vsearch("query", "heron mill", "--json", "--mode", "vector", cwd=project).json
    assert answer["interim"] == {"model": f"distilled:{MODEL}", "coming": MODEL}
    shown = vsearch("status", cwd=project).out
    assert f"model     distilled:{MODEL} (static, 384 dimensions, mean+l2); interim, {MODEL} replaces it\n" in shown
    assert f"vectors of {MODEL}, 1 text embedded so far: run `vsearch index` to continue\n" in shown
    assert "fusion    convex, alpha 0.5" in shown
    copied = vsearch("copy", "--from", ".vsearch", "--to", "other", cwd=project)
    assert "only interim vectors yet; run `vsearch index`" in copied.error
    planned = vsearch("index", "--plan", cwd=project).out
    assert "first     quick vectors by a static model" in planned
    assert "3 to embed" in planned
    done = vsearch("index", "--json", cwd=project)
    assert done.json["interim"] == {
        "model": f"distilled:{MODEL}",
        "coming": MODEL,
        "embedded": 2,
        "kept": 1,
        "pending": 0,
        "replaced": True,
        "untuned": False,
    }
    assert f"vsearch: queries use quick vectors of 3 chunks now; those of {MODEL} follow" in done.err
    assert vsearch("status", "--json", cwd=project).json["coming"] is None
    again = vsearch("index", "--quick", cwd=project)
    assert f"--quick: the index has vectors of {MODEL} already" in again.err
    assert again.status == 0


def test_what_it_is_not_for_is_refused(vsearch: Vsearch, project: Path) -> None:
    write_files(project, FILES)
    refused = {
        (
            "--embedder",
            "static",
            "--model",
            "some/model",
        ): "--quick: has no effect with a static embedder",
        ("--embedder", "gemini"): "--quick: has no effect with the remote embedder gemini; leave it out",
        ("--embedder", "sentence-transformers"): "--quick: has no effect with the embedder sentence-transformers",
        ("--index", "postgresql://localhost/x"): "--quick",
    }
    for options, reason in refused.items():
        assert reason in vsearch("index", ".", "--quick", *options, cwd=project).error
    assert "--quick: has no effect with --re-embed" in vsearch("index", "--re-embed", "--quick", cwd=project).error
    assert not (project / ".vsearch").exists()
