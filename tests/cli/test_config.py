"""Defaults: their sources, which of them wins, and invalid ones."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from process import Vsearch, write_files
from vsearch_cli.defaults import read_defaults

from vsearch_core.errors import InputError

DOCUMENTS = {f"{name}.txt": f"The pump of {name} needs grease.\n" for name in ("mill", "well", "barn")}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a HOME for the test."""
    return tmp_path / "home"


def settings(vsearch: Vsearch, cwd: Path, **environment: str) -> dict[str, tuple[Any, str]]:
    """Return every key's value and source."""
    values = vsearch("config", "--json", cwd=cwd, **environment).json["values"]
    return {each["key"]: (each["value"], each["from"]) for each in values}


def write_config(folder: Path, text: str) -> Path:
    write_files(folder, {"config.toml": text})
    return folder / "config.toml"


def hits(vsearch: Vsearch, project: Path, *options: str, **environment: str) -> int:
    """Count the hits of a query that four files match."""
    return len(vsearch("query", *options, "--json", "pump", cwd=project, **environment).json["hits"])


def test_the_more_specific_source_wins(vsearch: Vsearch, indexed: Path, home: Path) -> None:
    write_files(indexed, DOCUMENTS)
    environment = {"HOME": str(home)}
    assert vsearch("index", cwd=indexed, **environment).status == 0
    assert settings(vsearch, indexed, **environment)["k"] == (10, "built in")
    user = write_config(home / ".config/vsearch", "k = 4\nalpha = 0.25\n")
    assert settings(vsearch, indexed, **environment)["k"] == (4, str(user))
    assert hits(vsearch, indexed, **environment) == 4
    project = write_config(indexed / ".vsearch", "# ours\nk = 3\n")
    assert settings(vsearch, indexed, **environment)["k"] == (3, str(project))
    assert settings(vsearch, indexed, **environment)["alpha"] == (0.25, str(user))
    assert hits(vsearch, indexed, **environment) == 3
    environment["VSEARCH_K"] = "2"
    assert settings(vsearch, indexed, **environment)["k"] == (2, "VSEARCH_K")
    assert hits(vsearch, indexed, **environment) == 2
    assert hits(vsearch, indexed, "-k", "1", **environment) == 1


def test_an_empty_variable_is_ignored(vsearch: Vsearch, indexed: Path) -> None:
    assert settings(vsearch, indexed, VSEARCH_K="", VSEARCH_MODEL=" ")["k"] == (10, "built in")


def test_query_options_have_configurable_defaults(vsearch: Vsearch, indexed: Path) -> None:
    write_config(indexed / ".vsearch", 'mode = "keyword"\nfusion = "rrf"\nef = 200\n')
    assert vsearch("query", "--json", "grease", cwd=indexed).json["mode"] == "keyword"
    assert vsearch("query", "--json", "--mode", "hybrid", "grease", cwd=indexed).json["mode"] == "hybrid"
    assert vsearch("query", "--json", "--mode", "vector", "--exact", "grease", cwd=indexed).json["exact"]


def test_index_options_have_configurable_defaults(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {**DOCUMENTS, "skip.md": "The pump.", "big.txt": "pump " * 500})
    write_config(
        project / ".vsearch",
        'chunk_words = 60\nlanguage = "de"\nexclude = ["*.md"]\nmax_file_size = "1kB"\n',
    )
    inner = project / "inner"
    inner.mkdir()
    result = vsearch("index", "--json", project, cwd=inner)
    assert (result.status, result.json["index"], result.json["files"]) == (0, str(project / ".vsearch"), 3)
    status = vsearch("status", "--json", cwd=project).json
    assert (status["chunk_words"], status["overlap_words"], status["language"]) == (60, 6, "de")


def test_an_index_keeps_its_options(vsearch: Vsearch, indexed: Path) -> None:
    write_config(indexed / ".vsearch", 'chunk_words = 60\nlanguage = "de"\nmodel = "none/such"\n')
    (indexed / "new.txt").write_text("The new pump.")
    assert vsearch("index", "--json", cwd=indexed).json["added"] == 1
    assert vsearch("status", "--json", cwd=indexed).json["chunk_words"] == 500
    assert "made with chunk words 500, not 60" in vsearch("index", "--chunk-words", "60", cwd=indexed).error


def test_a_configured_model_applies_to_its_embedder_only(vsearch: Vsearch, project: Path, home: Path) -> None:
    write_config(home / ".config/vsearch", 'embedder = "other"\nmodel = "a/model"\ndimensions = 5\n')
    found = settings(vsearch, project, HOME=str(home))
    assert [found[key][0] for key in ("embedder", "model", "dimensions")] == ["other", "a/model", 5]
    write_config(project / ".vsearch", 'embedder = "local"\n')
    found = settings(vsearch, project, HOME=str(home))
    assert [found[key][0] for key in ("embedder", "model", "dimensions")] == ["local", None, None]
    (project / ".vsearch/config.toml").unlink()
    write_files(project, DOCUMENTS)
    assert vsearch("index", "--embedder", "local", ".", cwd=project, HOME=str(home)).status == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("k = 'ten'", "k: must be a whole number from 1 to 10,000, not 'ten'; correct it, or leave it out"),
        ("k = 0", "k: must be a whole number from 1 to 10,000, not 0"),
        ("k = true", "k: must be a whole number from 1 to 10,000, not True"),
        ("alpha = nan", "alpha: must be a number from 0 to 1, not nan"),
        ("mode = 'magic'", "mode: must be one of hybrid, vector, keyword, not 'magic'"),
        ("exclude = '*.md'", "exclude: must be a list of globs, not '*.md'"),
        ("max_file_size = 'huge'", "max_file_size: must be a size like 50MB, not 'huge'"),
        ("chunk-words = 5", "'chunk-words' is not a setting; see all settings with `vsearch config`"),
        ("[index]\nk = 1", "'index' is not a setting"),
        ("k = ", "is not TOML ("),
        ("k = '\x1b[31m\u202e'", "is not TOML ("),
        (b"k = '\xff'", "is not TOML ("),
    ],
)
def test_an_invalid_file_is_named(tmp_path: Path, text: str | bytes, reason: str) -> None:
    write_files(tmp_path, {"config.toml": text})
    with pytest.raises(InputError) as caught:
        read_defaults(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/config.toml: {reason}")


def test_only_commands_with_defaults_fail_for_an_invalid_file(vsearch: Vsearch, indexed: Path) -> None:
    write_config(indexed / ".vsearch", "k = '\x1b[31m\u202e'\n")
    for command in (("query", "pump"), ("index",), ("config",)):
        assert "config.toml: is not TOML" in vsearch(*command, cwd=indexed).error
    for command in (("status",), ("query", "--help")):
        assert vsearch(*command, cwd=indexed).status == 0


@pytest.mark.parametrize(
    ("variable", "text", "error"),
    [
        ("VSEARCH_K", "ten", "must be a whole number from 1 to 10,000, not 'ten'"),
        ("VSEARCH_ALPHA", "nan", "must be a number from 0 to 1, not nan"),
        ("VSEARCH_MODE", "magic", "must be one of hybrid, vector, keyword, not 'magic'"),
    ],
)
def test_an_invalid_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, text: str, error: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(InputError, match=f"{variable}: {error}"):
        read_defaults(tmp_path)


def test_a_file_that_cannot_be_read_is_named(vsearch: Vsearch, indexed: Path) -> None:
    write_config(indexed / ".vsearch", "k = 1").chmod(0)
    error = vsearch.without_privileges()("query", "pump", cwd=indexed).error
    assert error.endswith("config.toml: can't be read (permission denied); check its permissions")


def test_special_files_are_refused_unread(vsearch: Vsearch, indexed: Path) -> None:
    os.mkfifo(indexed / ".vsearch/config.toml")
    assert "config.toml: can't be read (is a named pipe" in vsearch("query", "pump", cwd=indexed).error


def test_config_sets_a_key_and_leaves_the_rest(vsearch: Vsearch, project: Path, home: Path) -> None:
    assert vsearch("config", "chunk_words", "60", cwd=project).out == "60\n"
    path = project / ".vsearch/config.toml"
    assert path.read_text() == "chunk_words = 60\n"
    path.write_text("# why\nk = 3 # three\n\nchunk_words = 60")
    for key, value, shown in (
        ("k", "5", "5"),
        ("exclude", "*.md, drafts/", "*.md, drafts/"),
        ("model", 'a "model"\\', 'a "model"\\'),
    ):
        assert vsearch("config", key, value, cwd=project).out == f"{shown}\n"
    table = vsearch("config", cwd=project).out.splitlines()
    assert len({line.index("built in") for line in table if line.endswith("built in")}) == 1, "one column"
    text = path.read_text()
    assert text.startswith("# why\nk = 5\n\nchunk_words = 60\n")
    assert settings(vsearch, project)["exclude"][0] == ["*.md", "drafts/"]
    assert vsearch("config", "k", "7", "--user", cwd=project, HOME=str(home)).out == "7\n"
    assert vsearch("config", "k", cwd=project, HOME=str(home)).out == "5\n"  # the project's still counts
    assert (home / ".config/vsearch/config.toml").read_text() == "k = 7\n"
    assert [each.name for each in (project / ".vsearch").iterdir()] == ["config.toml"]


def test_config_refuses_invalid_keys_and_values(vsearch: Vsearch, project: Path) -> None:
    assert (
        "config nope: there is no such setting; choose one of: embedder,"
        in vsearch("config", "nope", cwd=project).error
    )
    assert "config k: must be a whole number" in vsearch("config", "k", "ten", cwd=project).error
    assert not (project / ".vsearch").exists()
    path = write_config(project / ".vsearch", "exclude = [\n 'a'\n]\n")
    error = vsearch("config", "exclude", "b", cwd=project).error
    assert "is not TOML" in error or "is not on its own line" in error
    assert path.read_text() == "exclude = [\n 'a'\n]\n"


def test_every_command_keeps_the_projects_file(vsearch: Vsearch, indexed: Path, tmp_path: Path) -> None:
    """The file survives clean-up, repair and import, and an index can be made in a folder that holds only it."""
    path = write_config(indexed / ".vsearch", "k = 1\n")
    archive = tmp_path / "it.tar"
    for command in (
        ("index",),
        ("compact",),
        ("check", "--full"),
        ("repair",),
        ("export", archive),
        ("import", "--replace", archive),
    ):
        assert vsearch(*command, cwd=indexed).status == 0, command
        assert path.read_text() == "k = 1\n"
    named = tmp_path / "named"
    write_config(named, "k = 1\n")
    assert vsearch("import", "--index", named, archive, cwd=tmp_path).status == 0
    assert hits(vsearch, tmp_path, "--index", str(named)) == 1
    shutil.rmtree(named / "segments")
    for left in named.glob("catalog*"):
        left.unlink()
    assert vsearch("import", "--index", named, archive, cwd=tmp_path).status == 0
    assert not (named / ".vsearch").exists()


def test_config_reads_no_file_through_a_link(vsearch: Vsearch, project: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("not TOML")
    (project / ".vsearch").mkdir()
    (project / ".vsearch/config.toml").symlink_to(tmp_path / "secret")
    error = vsearch("config", "k", "7", cwd=project).error
    assert "link" in error
    assert "TOML" not in error
