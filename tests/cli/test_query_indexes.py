"""`vsearch query` and `vsearch similar` with several indexes."""

import json
from pathlib import Path

import pytest
from process import Vsearch, write_files


@pytest.fixture(scope="module")
def projects(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two projects, each with an index, and an empty folder."""
    root = tmp_path_factory.mktemp("projects")
    write_files(root, {"plant/pump.txt": "Grease the seals of the pump.", "home/bread.txt": "The pump of the dough."})
    (root / "elsewhere").mkdir()
    for name in ("plant", "home"):
        assert vsearch("index", ".", cwd=root / name).status == 0
    return root


def test_indexes_are_searched_as_one(vsearch: Vsearch, projects: Path) -> None:
    both = ("--index", "plant/.vsearch", "--index", "home/.vsearch", "--index", "./plant/.vsearch")
    text = vsearch("query", "--mode", "keyword", *both, "pump", cwd=projects)
    assert [line.split("  ")[0] for line in text.lines if line[:1].strip()] == ["plant/pump.txt:1", "home/bread.txt:1"]
    found = json.loads(vsearch("query", "--json", *both, "pump", cwd=projects).out)
    assert {(hit["path"], hit["index"]) for hit in found["hits"]} == {
        ("pump.txt", str(projects / "plant" / ".vsearch")),
        ("bread.txt", str(projects / "home" / ".vsearch")),
    }
    assert (found["searched"], found["matched"]) == (2, 2)
    paths = vsearch("query", "--paths", "--path", "home/*", *both, "pump", cwd=projects)
    assert paths.lines == ["home/bread.txt"]
    alike = vsearch("similar", "--paths", *both, "plant/pump.txt", cwd=projects)
    assert alike.lines == ["home/bread.txt"]


def test_one_index_is_not_named(vsearch: Vsearch, projects: Path) -> None:
    found = json.loads(vsearch("query", "--json", "--index", "plant/.vsearch", "pump", cwd=projects).out)
    assert "index" not in found["hits"][0] and "keyword_only" not in found


def test_everywhere_adds_the_configured_indexes(vsearch: Vsearch, projects: Path) -> None:
    folders = f"{projects}/home,{projects}/plant/.vsearch,{projects}/gone"
    assert vsearch("config", "--user", "indexes", folders, cwd=projects).status == 0
    try:
        nearest = vsearch("query", "--paths", "pump", cwd=projects / "plant")
        assert nearest.lines == ["pump.txt"]
        for folder in ("plant", "elsewhere"):
            everywhere = vsearch("query", "--paths", "--everywhere", "pump", cwd=projects / folder)
            assert len(everywhere.lines) == 2
            assert (
                everywhere.err
                == f"vsearch: {projects}/gone: the setting indexes names it, but there is no index; left out\n"
            )
    finally:
        assert vsearch("config", "--user", "--unset", "indexes", cwd=projects).status == 0
    nothing = vsearch("query", "--everywhere", "pump", cwd=projects / "elsewhere")
    assert (nothing.status, nothing.out) == (2, "")
    assert "setting indexes" in nothing.err


def test_an_index_that_is_missing_is_an_error(vsearch: Vsearch, projects: Path) -> None:
    result = vsearch("query", "--index", "plant/.vsearch", "--index", "gone", "pump", cwd=projects)
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith("vsearch: gone: there is no index here")


def test_an_index_of_another_model_is_said_to_be_searched_by_keywords(vsearch: Vsearch, projects: Path) -> None:
    from tiny_models import write_static

    model = write_static(projects / "model")
    made = vsearch("index", "--embedder", "static", "--model", str(model), "--index", ".other", "home", cwd=projects)
    assert made.status == 0, made.err
    result = vsearch("query", "--paths", "--index", "plant/.vsearch", "--index", ".other", "pump", cwd=projects)
    assert set(result.lines) == {"plant/pump.txt", "home/bread.txt"}
    assert ".other: searched by keywords only, because another embedder made its vectors" in result.err
