"""`vsearch status` and `vsearch models`."""

import re
from pathlib import Path

from process import Vsearch, write_files

STATUS_KEYS = [
    *("schema", "index", "format", "generation", "last_commit", "sources", "removed", "files", "chunks", "segments"),
    *("dead_rows", "graph_segments", "graph_rows", "ann", "ivf_segments", "ivf_rows"),
    *("pq_segments", "pq_rows", "vectors", "coded_segments", "coded_rows", "coming", "coming_texts"),
    *(
        "keyword_files",
        "keyword_chunks",
        "pending_files",
        "pending_chunks",
        "re_embedding",
        "fingerprint",
        "chunk_words",
        "overlap_words",
        "language",
    ),
    *(
        "size",
        "files_by_state",
        "tuned",
        "feedback",
        "by_file",
        "outside",
        "walks",
        "warm_helper",
        "image_model",
        "picture_vectors",
        "figure_vectors",
        "run",
    ),
]
MODEL_KEYS = [
    *("name", "provider", "location", "source", "weights", "dimension", "max_tokens"),
    *("query_prefix", "document_prefix", "precisions", "precision", "reason"),
]


def test_status_is_a_table_of_facts(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("status", cwd=library)
    assert (result.status, result.err) == (0, "")
    facts = dict(line.split(maxsplit=1) for line in result.lines)
    names = ("index", "sources", "files", "chunks", "model", "chunking", "size", "commit", "pending", "fusion")
    assert list(facts) == [*names]
    assert facts["index"] == f"{library}/.vsearch (format 1, generation 1)"
    assert facts["sources"] == "."
    assert facts["files"] == "9"
    assert re.fullmatch(r"\d+ in 1 segment", facts["chunks"])
    assert facts["model"].startswith("sentence-transformers/all-MiniLM-L6-v2 (local, 384 dimensions, mean+l2")
    assert facts["chunking"] == "500 words, 50 shared; keywords stemmed as auto"
    assert re.fullmatch(r"[\d.]+ kB: vectors [^0].*, postings .*, ids .*, text .*, catalog .*", facts["size"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", facts["commit"])
    assert facts["pending"] == "nothing"


def test_status_json_has_the_keys_of_the_contract(vsearch: Vsearch, library: Path) -> None:
    status = vsearch("status", "--json", cwd=library).json
    assert sorted(status) == sorted(STATUS_KEYS)
    assert status["schema"] == "vsearch.status/1"
    assert status["index"] == str(library / ".vsearch")
    assert (status["format"], status["generation"], status["files"], status["segments"]) == (1, 1, 9, 1)
    assert (status["dead_rows"], status["pending_files"], status["pending_chunks"]) == (0, 0, 0)
    assert status["fingerprint"]["provider"] == "local"
    sizes = ["vectors", "graph", "postings", "ids", "windows", "ivf", "pq", "codes", "text", "catalog", "damaged"]
    assert list(status["size"]) == sizes


def test_the_sizes_add_up_to_the_size_on_disk(vsearch: Vsearch, library: Path) -> None:
    status = vsearch("status", "--json", cwd=library).json
    files = [path for path in (library / ".vsearch").rglob("*") if path.is_file()]
    beside = {".gitignore", "run.json"}  # no part of the index
    files = [path for path in files if path.name not in beside and not path.name.endswith("-shm")]
    assert sum(status["size"].values()) == sum(path.stat().st_size for path in files)


def test_status_lists_what_repairs_have_set_aside(vsearch: Vsearch, indexed: Path) -> None:
    """It includes what a killed repair has set aside without reporting it."""
    aside = write_files(indexed / ".vsearch/damaged/20260101T000000.000000Z", {"catalog.sqlite": "x" * 3000})
    assert vsearch("status", "--json", cwd=indexed).json["size"]["damaged"] == 3000
    line = f"set aside 3.0 kB in {aside.parent}: not used; delete it once you miss nothing"
    assert line in vsearch("status", cwd=indexed).lines


def test_status_shows_an_unfinished_re_embedding(vsearch: Vsearch, indexed: Path) -> None:
    write_files(indexed / ".vsearch", {"re-embed-0123456789abcdef.sqlite": ""})
    assert vsearch("status", "--json", cwd=indexed).json["re_embedding"] is True
    line = "pending   another model's vectors: run the same `vsearch index --re-embed` to continue"
    assert line in vsearch("status", cwd=indexed).lines


def test_status_counts_deleted_rows(vsearch: Vsearch, indexed: Path) -> None:
    (indexed / "pump.txt").write_text("The pump needs oil.\n")
    assert vsearch("index", cwd=indexed).status == 0
    status = vsearch("status", "--json", cwd=indexed).json
    assert (status["files"], status["chunks"]) == (2, 2)
    assert status["generation"] > 1


def test_status_never_controls_the_terminal(vsearch: Vsearch, tmp_path: Path) -> None:
    project = write_files(tmp_path / "a \x1b[31m\u202e folder", {"docs \x07/a.txt": "The pump."})
    assert vsearch("index", "docs \x07", cwd=project).status == 0
    for arguments in (("status",), ("status", "--json")):
        out = vsearch(*arguments, cwd=project).out
        assert "\x1b" not in out
        assert "\x07" not in out
        assert "\u202e" not in out


def test_models_shows_the_model_in_use(vsearch: Vsearch, tmp_path: Path) -> None:
    result = vsearch("models", cwd=tmp_path)
    assert (result.status, result.err) == (0, "")
    assert result.lines[0] == "sentence-transformers/all-MiniLM-L6-v2"
    assert result.lines[1] == "  vectors    384 dimensions, windows of 256 tokens"
    assert re.search(r"\n  files      int8, fp32\n  would use  (int8|fp32): \S", result.out)


def test_models_json_has_the_keys_of_the_contract(vsearch: Vsearch, tmp_path: Path) -> None:
    result = vsearch("models", "--json", cwd=tmp_path)
    assert list(result.json) == ["schema", "models", "embedders"]
    assert result.json["schema"] == "vsearch.models/1"
    (model,) = (each for each in result.json["models"] if each["name"].endswith("all-MiniLM-L6-v2"))
    assert list(model) == MODEL_KEYS
    assert (model["name"], model["dimension"]) == ("sentence-transformers/all-MiniLM-L6-v2", 384)
    assert Path(model["location"]).is_dir()


def test_models_says_that_a_model_is_not_prepared_yet(vsearch: Vsearch, tmp_path: Path) -> None:
    result = vsearch("models", cwd=tmp_path, VSEARCH_CACHE_DIR=str(tmp_path / "empty cache"))
    assert "not prepared yet" in result.out
    assert not (tmp_path / "empty cache").exists()


def test_the_first_use_announces_preparation_in_one_line(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"a.txt": "The pump."})
    result = vsearch("index", ".", cwd=project, VSEARCH_CACHE_DIR=str(project / ".cache"))
    assert result.status == 0
    assert result.err == "preparing sentence-transformers/all-MiniLM-L6-v2 (once per machine) …\n"


def test_a_cache_folder_that_cannot_be_written_is_named(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"a.txt": "The pump.", "cache": "a file, not a folder"})
    error = vsearch("index", "-q", "a.txt", cwd=project, VSEARCH_CACHE_DIR=str(project / "cache")).error
    assert str(project / "cache") in error
    assert "VSEARCH_CACHE_DIR" in error
