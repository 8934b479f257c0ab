"""`vsearch index --vectors none`, and queries of such an index, on the command line."""

from pathlib import Path

import pytest
from process import Vsearch, write_files

from vsearch_core.embed.open import open_embedder
from vsearch_core.index.limits import IndexLimits
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.sources import Source
from vsearch_core.index.writer import update_index
from vsearch_core.text.discover import DiscoverOptions


def test_the_choice_is_shown_and_can_be_taken_back(vsearch: Vsearch, tmp_path: Path) -> None:
    project = write_files(tmp_path / "project", {"a.txt": "heron", "b.txt": "weir"})
    vsearch("index", ".", "--vectors", "none", cwd=project)
    shown = vsearch("status", cwd=project).out
    assert "vectors   kept so far; codes will replace them from 1,024 chunks on" in shown
    refused = vsearch("index", "--vectors", "keep", cwd=project)
    assert refused.status == 2
    assert "it has kept no vectors so far; embed it again with `vsearch index --re-embed --vectors keep`" in refused.err
    vsearch("index", "--re-embed", "--vectors", "keep", cwd=project)
    assert vsearch("status", "--json", cwd=project).json["vectors"] == "keep"


def test_a_query_says_that_scores_are_of_codes_and_new_embeddings(vsearch: Vsearch, tmp_path: Path) -> None:
    project = write_files(tmp_path / "project", {f"{word}.txt": f"The {word}." for word in ("heron", "weir", "mill")})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VSEARCH_CACHE_DIR", vsearch.environment["VSEARCH_CACHE_DIR"])
        update_index(
            project / ".vsearch",
            [Source(project, DiscoverOptions())],
            IndexOptions(vectors="none"),
            open_embedder,
            limits=IndexLimits(coded_rows=3),
        )
    answer = vsearch("query", "heron", "--json", "--explain", cwd=project).json
    assert (answer["exact"], answer["re_embedded"], answer["explain"]["vectors"]) == (False, 3, "codes")
    assert answer["hits"][0]["path"] == "heron.txt"
    explained = vsearch("query", "heron", "--explain", cwd=project)
    shown = explained.out + explained.err
    assert "approximate (codes instead of vectors scanned, 3 chunks embedded again for exact scores)" in shown
    assert "vectors   none: 3 rows with codes instead" in vsearch("status", cwd=project).out
