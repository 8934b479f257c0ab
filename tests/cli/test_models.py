"""Models other than the default: chosen at the first `index`, stored and listed."""

import re
from pathlib import Path

import pytest
from process import Vsearch, write_files
from tiny_models import add_modules, write_model, write_static

FILES = {"pump.txt": "the cat and the dog\n", "bread.txt": "zebras eat grass\n"}


@pytest.fixture
def static(tmp_path: Path) -> Path:
    return write_static(tmp_path / "tiny static")


def test_a_static_model_is_remembered(vsearch: Vsearch, project: Path, static: Path) -> None:
    write_files(project, FILES)
    made = vsearch("index", ".", "--embedder", "static", "--model", "../tiny static", cwd=project)
    assert made.status == 0
    assert "preparing tiny static (once per machine) …" in made.err
    found = vsearch("query", "zebras eat grass", "--mode", "vector", "--json", cwd=project).json
    assert (found["hits"][0]["path"], round(found["hits"][0]["score"], 3)) == ("bread.txt", 1)
    assert vsearch("status", "--json", cwd=project).json["fingerprint"]["provider"] == "static"
    error = vsearch("index", "--embedder", "local", cwd=project).error
    assert "made with embedder static, not local" in error


def test_dimensions_are_cut_and_remembered(vsearch: Vsearch, project: Path, static: Path) -> None:
    write_files(project, FILES)
    command = ("index", ".", "--embedder", "static", "--model", static)
    error = vsearch(*command, "-q", "--dimensions", "17", cwd=project).error
    assert (
        error
        == "--dimensions: tiny static makes vectors of 16, not 17; leave --dimensions out, or choose another model"
    )
    assert vsearch(*command, "--dimensions", "8", cwd=project).status == 0
    assert vsearch("status", "--json", cwd=project).json["fingerprint"]["dimension"] == 8
    assert vsearch("query", "zebras eat grass", "--mode", "vector", "--paths", cwd=project).lines[0] == "bread.txt"
    write_files(project, {"more.txt": "the dogs"})
    assert vsearch("index", cwd=project).status == 0
    error = vsearch("index", "--dimensions", "4", cwd=project).error
    assert "made with dimension 8, not 4" in error


def test_models_and_all_embedders_are_listed(vsearch: Vsearch, project: Path, tmp_path: Path) -> None:
    e5 = add_modules(write_model(tmp_path / "e5-small"))
    write_files(project, FILES)
    cache = {"VSEARCH_CACHE_DIR": str(tmp_path / "cache")}
    assert vsearch("index", ".", "--model", e5, cwd=project, **cache).status == 0
    result = vsearch("models", cwd=project, **cache)
    assert (
        "e5-small\n  vectors    16 dimensions, windows of 40 tokens\n  prefix     'query: ' before a query"
        in result.out
    )
    assert "\n--embedder sentence-transformers\n  sentence-transformers " in result.out
    assert "\n--embedder static\n  nothing to install\n" in result.out
    listed = vsearch("models", "--json", cwd=project, **cache).json
    assert [(model["name"], model["provider"]) for model in listed["models"]][1:] == [("e5-small", "local")]
    embedders = {each["name"]: each for each in listed["embedders"]}
    assert list(embedders) == ["local", "sentence-transformers", "static", "gemini", "openai"]
    assert all(each["installed"] for each in embedders.values())
    assert embedders["local"]["state"] == "nothing to install"
    assert re.fullmatch(
        r"google-genai [\d.]+, tenacity [\d.]+; the key is read from GEMINI_API_KEY or GOOGLE_API_KEY",
        embedders["gemini"]["state"],
    )
    assert embedders["openai"]["state"].startswith("httpx2 ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--device", "cpu"), "--device: has no effect with the local embedder; leave it out"),
        (("--embedder", "static"), "embedder static: has no default model; name one with --model"),
    ],
)
def test_options_that_an_embedder_lacks_are_refused(
    vsearch: Vsearch, project: Path, options: tuple[str, ...], message: str
) -> None:
    write_files(project, FILES)
    assert vsearch("index", ".", *options, cwd=project).error == message
    assert not (project / ".vsearch").exists()


@pytest.mark.slow
def test_sentence_transformers_is_remembered_and_prints_nothing(
    vsearch: Vsearch, project: Path, tmp_path: Path
) -> None:
    model = add_modules(write_model(tmp_path / "tiny"))
    write_files(project, FILES)
    made = vsearch(
        "index", ".", "--embedder", "sentence-transformers", "--model", model, "--device", "cpu", cwd=project
    )
    assert (made.status, made.err) == (0, "")
    hits = vsearch("query", "zebras eat grass", "--mode", "vector", "--paths", cwd=project)
    assert (hits.lines[0], hits.err) == ("bread.txt", "")
