"""`vsearch index --re-embed`, and vectors that projects share."""

import json
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

from process import Vsearch, write_files

from vsearch_core.evaluate.tune import store_fusion
from vsearch_core.search.tuned import TunedFusion
from vsearch_core.store.catalog import Catalog

KEYS = [
    "schema",
    "index",
    "generation",
    "former",
    "model",
    "chunks",
    "embedded",
    "kept",
    "untuned",
    "interrupted",
    "seconds",
]


def make_by_another(project: Path) -> None:
    """Change the fingerprint in the index to another model's."""
    with closing(Catalog.open_to_write(project / ".vsearch")) as catalog, catalog.transaction():
        made_by = json.loads(catalog.settings()["fingerprint"])
        catalog.put_setting("fingerprint", json.dumps({**made_by, "model": "some/other", "weights": "0" * 64}))
        catalog.put_setting("model", "some/other")


def test_a_mismatch_names_the_command_that_resolves_it(vsearch: Vsearch, indexed: Path) -> None:
    make_by_another(indexed)
    store_fusion(indexed / ".vsearch", TunedFusion("rrf", 0.5, 20, 0.9, 0.8))
    error = vsearch("index", "--model", "sentence-transformers/all-MiniLM-L6-v2", cwd=indexed).error
    assert "its vectors were made by some/other" in error
    command = shlex.split(error.split("`")[1])
    assert command[:3] == ["vsearch", "index", "--re-embed"]
    planned = vsearch(*command[1:], "--plan", "--json", cwd=indexed).json
    assert (planned["schema"], planned["embed"], planned["unchanged"]) == ("vsearch.plan/1", 2, 2)
    result = vsearch(*command[1:], "--json", cwd=indexed)
    assert "the result of `vsearch tune` was for the old vectors and is deleted" in result.err
    done = result.json
    assert sorted(done) == sorted(KEYS)
    assert (done["schema"], done["chunks"], done["embedded"]) == ("vsearch.re-embed/1", 2, 2)
    assert vsearch("query", "--paths", "-k", "1", "grease", cwd=indexed).out == "pump.txt\n"
    result = vsearch(*command[1:], cwd=indexed)
    assert result.out.startswith(f"{indexed}/.vsearch: 2 chunks (0 texts embedded by sentence-transformers/all-Mini")


def test_conflicting_options_are_refused(vsearch: Vsearch, indexed: Path, tmp_path: Path) -> None:
    assert "leave the paths out" in vsearch("index", "--re-embed", "pump.txt", cwd=indexed).error
    assert "made with chunk words" in vsearch("index", "--re-embed", "--chunk-words", "60", cwd=indexed).error
    assert "there is no index here" in vsearch("index", "--re-embed", cwd=tmp_path).error


def test_projects_share_vectors_only_on_request(vsearch: Vsearch, indexed: Path, tmp_path: Path) -> None:
    home, cache = tmp_path / "home", Path(vsearch.environment["VSEARCH_CACHE_DIR"]) / "vectors.sqlite"
    project = write_files(tmp_path / "other", {"pump.txt": "The pump needs grease.\n"})
    write_files(project, {".vsearch/config.toml": "share_vectors = true\n"})
    assert "share_vectors can't be set in a project's file" in vsearch("index", ".", cwd=project).error
    (project / ".vsearch/config.toml").unlink()
    assert vsearch("config", "share_vectors", "true", "--user", cwd=project, HOME=str(home)).out == "true\n"
    assert vsearch("index", ".", cwd=project, HOME=str(home), VSEARCH_SHARE_VECTORS="false").status == 0
    assert not cache.exists()
    (project / "new.txt").write_text("A new pump.")
    assert vsearch("index", cwd=project, HOME=str(home)).status == 0
    with closing(sqlite3.connect(cache)) as connection:
        assert connection.execute("SELECT count(*) FROM vectors").fetchone() == (1,)
    cache.unlink()
