"""`vsearch index`: which files it indexes, what it prints, and what a second run does."""

import os
import re
from pathlib import Path

import pytest
from pdfs import make_pdf
from process import Vsearch, write_files

from .conftest import EVIL_NAME

KEYS = [
    *("schema", "index", "files", "chunks", "added", "changed", "unchanged", "removed", "skipped", "failed"),
    *("embedded", "reused", "moved", "pending", "uncompacted", "interrupted", "seconds", "partly", "textless"),
    *("outside", "interim"),
]


def index(vsearch: Vsearch, project: Path, *arguments: str | Path) -> dict[str, object]:
    """Run `index --json`, which must succeed; return its summary."""
    result = vsearch("index", "--json", *arguments, cwd=project)
    assert result.status == 0, result
    assert result.err == "", result
    return dict(result.json)


def counts(summary: dict[str, object]) -> dict[str, object]:
    """Return the counts of a summary that are not zero."""
    names = ("added", "changed", "unchanged", "removed", "skipped", "failed", "embedded", "pending")
    return {name: summary[name] for name in names if summary[name]}


def paths(vsearch: Vsearch, project: Path) -> list[str]:
    return sorted(vsearch("query", "-k", "100", "--paths", "pump", cwd=project).lines)


def test_the_summary_is_one_line(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"a.txt": "The pump.", "b.txt": "The bread."})
    result = vsearch("index", ".", cwd=project)
    assert (result.status, result.err) == (0, "")
    assert re.fullmatch(
        rf"{re.escape(str(project))}/\.vsearch: 2 files, 2 chunks \(2 added\) in \d+\.\d s\n", result.out
    )


def test_json_has_the_keys_of_the_contract(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"a.txt": "The pump."})
    summary = index(vsearch, project, ".")
    assert sorted(summary) == sorted(KEYS)
    assert next(iter(summary)) == "schema"
    assert summary["schema"] == "vsearch.index/1"
    assert summary["index"] == str(project / ".vsearch")
    assert (summary["files"], summary["chunks"], summary["interrupted"]) == (1, 1, False)
    assert counts(summary) == {"added": 1, "embedded": 1}


def test_an_unchanged_folder_embeds_nothing(vsearch: Vsearch, indexed: Path) -> None:
    assert counts(index(vsearch, indexed, ".")) == {"unchanged": 2}


def test_without_a_path_it_refreshes_what_was_indexed_before(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"docs/a.txt": "The pump.", "other/b.txt": "A pump of another kind."})
    index(vsearch, project, "docs")
    write_files(project, {"docs/new.txt": "A new pump."})
    assert counts(index(vsearch, project)) == {"added": 1, "unchanged": 1, "embedded": 1}
    assert paths(vsearch, project) == ["docs/a.txt", "docs/new.txt"]


def test_with_a_path_other_files_stay_unchanged(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"docs/a.txt": "The pump.", "other/b.txt": "A pump of another kind."})
    index(vsearch, project, "docs")
    (project / "docs" / "a.txt").unlink()
    assert counts(index(vsearch, project, "other")) == {"added": 1, "embedded": 1}
    assert paths(vsearch, project) == ["docs/a.txt", "other/b.txt"]


def test_an_edited_file_is_replaced(vsearch: Vsearch, indexed: Path) -> None:
    (indexed / "pump.txt").write_text("A windmill needs wind, and no grease at all, the miller says.\n")
    assert counts(index(vsearch, indexed)) == {"changed": 1, "unchanged": 1, "embedded": 1}
    answer = vsearch("query", "--json", "grease", cwd=indexed).json
    assert answer["searched"] == 2
    assert answer["hits"][0]["text"].startswith("A windmill")


def test_a_touched_file_is_not_embedded_again(vsearch: Vsearch, indexed: Path) -> None:
    os.utime(indexed / "pump.txt", (0, 0))
    assert counts(index(vsearch, indexed)) == {"unchanged": 2}
    assert vsearch("query", "--paths", "--until", "1970-01-02", "pump", cwd=indexed).out == "pump.txt\n"


def test_a_deleted_file_leaves_the_index(vsearch: Vsearch, indexed: Path) -> None:
    (indexed / "bread.txt").unlink()
    assert counts(index(vsearch, indexed)) == {"unchanged": 1, "removed": 1}
    assert paths(vsearch, indexed) == ["pump.txt"]


def test_a_renamed_file_is_found_by_its_new_name_only(vsearch: Vsearch, indexed: Path) -> None:
    (indexed / "bread.txt").rename(indexed / "loaf.txt")
    index(vsearch, indexed)
    assert paths(vsearch, indexed) == ["loaf.txt", "pump.txt"]


def test_skipped_files_are_counted_and_named_if_verbose(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"a.txt": "The pump.", "image.bin": bytes(range(256)) * 8, "large.txt": "word " * 100})
    os.mkfifo(project / "pipe")
    (project / "dangling").symlink_to("nowhere")
    arguments = ("index", "--max-file-size", "100", ".")
    result = vsearch(*arguments, cwd=project)
    assert (result.status, result.err) == (0, "")
    assert "1 added, 4 skipped (-v says why)" in result.out or "1 added, 3 skipped (-v says why)" in result.out
    result = vsearch(*arguments, "-v", cwd=project)
    assert "skipped large.txt: 500 bytes, more than 100\n" in result.err
    assert "skipped pipe: a named pipe\n" in result.err
    assert "skipped dangling: dangling symbolic link\n" in result.err


def test_a_binary_file_is_skipped_every_time(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"a.txt": "The pump.", "image.bin": bytes(range(256)) * 8})
    for _ in range(2):
        result = vsearch("index", "-v", ".", cwd=project)
        assert result.status == 0
        assert result.err == "skipped image.bin: is binary, not text\n"


def test_file_names_never_control_the_terminal(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {EVIL_NAME: b"\0\1\2" * 100, "a.txt": "The pump."})
    result = vsearch("index", "-v", ".", cwd=project)  # fails for control characters on stderr
    assert result.status == 0
    assert "name.txt: is binary" in result.err


def test_quiet_prints_nothing(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"a.txt": "The pump."})
    result = vsearch("index", "-q", ".", cwd=project)
    assert (result.status, result.out, result.err) == (0, "", "")


def test_quiet_still_prints_json(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"a.txt": "The pump."})
    assert vsearch("index", "-q", "--json", ".", cwd=project).json["added"] == 1


def test_ignored_and_hidden_files_are_left_out(vsearch: Vsearch, project: Path) -> None:
    write_files(
        project,
        {
            ".gitignore": "*.log\n/build/\n",
            "a.txt": "The pump.",
            "b.log": "The pump.",
            "build/c.txt": "The pump.",
            "sub/.vsearchignore": "secret*\n",
            "sub/secret.txt": "The pump.",
            "sub/d.txt": "The pump.",
            ".hidden.txt": "The pump.",
        },
    )
    index(vsearch, project, ".")
    assert paths(vsearch, project) == ["a.txt", "sub/d.txt"]


def test_no_ignore_includes_ignored_files(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {".gitignore": "*.log\n", "a.txt": "The pump.", "b.log": "The pump."})
    index(vsearch, project, "--no-ignore", ".")
    assert paths(vsearch, project) == ["a.txt", "b.log"]


def test_include_and_exclude_select_files(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"a.md": "The pump.", "b.txt": "The pump.", "c.py": "# The pump.", "old/d.md": "The pump."})
    index(vsearch, project, "--include", "*.md", "--include", "*.py", "--exclude", "old/", ".")
    assert paths(vsearch, project) == ["a.md", "c.py"]


def test_a_refresh_uses_the_stored_patterns(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"a.md": "The pump."})
    index(vsearch, project, "--include", "*.md", ".")
    write_files(project, {"b.txt": "The pump.", "c.md": "The pump."})
    index(vsearch, project)
    assert paths(vsearch, project) == ["a.md", "c.md"]


def test_single_files_can_be_indexed(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"a.txt": "The pump.", "b.txt": "The pump.", "-c.txt": "The pump."})
    index(vsearch, project, "--", "a.txt", "-c.txt")
    assert paths(vsearch, project) == ["-c.txt", "a.txt"]


def test_chunk_words_set_the_size_of_chunks(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"a.txt": "\n\n".join(f"Sentence number {number} stands here alone." for number in range(40))})
    assert index(vsearch, project, "--chunk-words", "30", "--overlap-words", "0", ".")["chunks"] == 8


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--chunk-words", "5"), "--chunk-words: 5 is not from 20 to 5000"),
        (("--chunk-words", "100", "--overlap-words", "100"), "overlap"),
        (("--overlap-words", "-1"), "overlap"),
        (("--max-file-size", "large"), "--max-file-size: 'large' is not a size"),
        (("--include", ""), "pattern ''"),
        (("--model", "./no-such-folder"), "model './no-such-folder': no such folder"),
        (("--language", "xx"), "xx"),
    ],
)
def test_an_invalid_option_is_refused_and_no_index_is_created(
    vsearch: Vsearch, project: Path, options: tuple[str, ...], error: str
) -> None:
    write_files(project, {"a.txt": "The pump."})
    assert error in vsearch("index", *options, ".", cwd=project).error
    assert not (project / ".vsearch" / "catalog.sqlite").exists()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--chunk-words", "100"), "made with chunk words 500, not 100"),
        (("--overlap-words", "10"), "made with overlap words 50, not 10"),
        (("--language", "de"), "made with language auto, not de"),
    ],
)
def test_an_option_that_differs_from_the_indexs_is_refused(
    vsearch: Vsearch, indexed: Path, options: tuple[str, ...], error: str
) -> None:
    assert error in vsearch("index", *options, ".", cwd=indexed).error
    assert paths(vsearch, indexed) == ["bread.txt", "pump.txt"]


def test_the_options_that_the_index_was_made_with_are_accepted(vsearch: Vsearch, indexed: Path) -> None:
    options = ("--chunk-words", "500", "--overlap-words", "50", "--language", "auto", "--embedder", "local")
    assert counts(index(vsearch, indexed, *options, ".")) == {"unchanged": 2}


def test_an_unreadable_file_is_reported_and_the_rest_is_indexed(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"good.txt": "The pump.", "bad.pdf": b"%PDF-1.4\nnothing of a PDF"})
    result = vsearch("index", ".", cwd=project)
    assert result.status == 2
    assert re.fullmatch(r"vsearch: bad\.pdf: is not a readable PDF \(.*\); left out of the index\n", result.err)
    assert "1 file, 1 chunk (1 added, 1 could not be read)" in result.out
    assert paths(vsearch, project) == ["good.txt"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("truncated.pdf", make_pdf("The pump", "The mill")[:400]),
        ("empty.pdf", b""),
        ("page.pdf", b"<html><body>Not found</body></html>"),
        ("scan.pdf", make_pdf("")),
    ],
)
def test_a_corrupt_pdf_is_reported_in_one_line(vsearch: Vsearch, project: Path, name: str, content: bytes) -> None:
    write_files(project, {name: content, "good.txt": "The pump."})
    result = vsearch("index", ".", cwd=project)
    assert result.status in {0, 2}
    assert result.err.count("\n") == (1 if result.status == 2 else 0)
    assert paths(vsearch, project) == ["good.txt"] if result.status == 2 else True
    assert "good.txt" in paths(vsearch, project)


def test_a_file_that_became_unreadable_keeps_its_last_version(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"a.pdf": make_pdf("The pump")})
    index(vsearch, project, ".")
    write_files(project, {"a.pdf": b"%PDF-1.4\nnothing of a PDF"})
    for _ in range(2):  # when reading fails, and when the failure is on record
        result = vsearch("index", cwd=project)
        assert result.status == 2
        assert re.fullmatch(
            r"vsearch: a\.pdf: is not a readable PDF \(.*\); its old text stays in the index\n", result.err
        )
    assert vsearch("index", "--json", cwd=project).json["failed"] == 1
    assert paths(vsearch, project) == ["a.pdf"]


def test_a_file_that_becomes_readable_is_indexed(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"a.pdf": b"%PDF-1.4\nnothing of a PDF"})
    assert vsearch("index", ".", cwd=project).status == 2
    write_files(project, {"a.pdf": make_pdf("The pump")})
    assert counts(index(vsearch, project)) == {"added": 1, "embedded": 1}


def test_a_missing_folder_is_an_error_and_no_index_is_created(vsearch: Vsearch, project: Path) -> None:
    error = vsearch("index", "no such folder", cwd=project).error
    assert error == f"{project}/no such folder: no such file or directory; check the path"
    assert not (project / ".vsearch").exists()


def test_a_missing_path_is_an_error_before_anything_is_indexed(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"a.txt": "The pump."})
    assert vsearch("index", "a.txt", "nowhere", cwd=project).error
    assert not (project / ".vsearch").exists()


def test_an_empty_folder_gives_an_empty_index(vsearch: Vsearch, project: Path) -> None:
    result = vsearch("index", ".", cwd=project)
    assert result.status == 0
    assert "0 files, 0 chunks (nothing found)" in result.out
    result = vsearch("query", "pump", cwd=project)
    assert (result.status, result.out) == (1, "")
    assert result.err == "no hit: the index is empty; add documents with `vsearch index PATH`\n"


def test_empty_and_blank_files_are_files_without_chunks(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"empty.txt": "", "blank.md": "\n \t\n", "front.md": "---\ntitle: x\n---\n"})
    summary = index(vsearch, project, ".")
    assert (summary["files"], summary["chunks"], summary["failed"]) == (3, 0, 0)
    assert counts(index(vsearch, project, ".")) == {"unchanged": 3}


def test_without_a_path_and_an_index_it_is_an_error(vsearch: Vsearch, project: Path) -> None:
    assert "nothing to refresh" in vsearch("index", cwd=project).error
    assert not (project / ".vsearch").exists()


def test_files_of_a_missing_source_stay_in_the_index(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"disk/a.txt": "The pump."})
    index(vsearch, project, "disk")
    (project / "disk").rename(project / "unmounted")
    result = vsearch("index", cwd=project)
    assert result.status == 2
    assert result.err == "vsearch: disk: was indexed before and is missing now; its files stay\n"
    assert paths(vsearch, project) == ["disk/a.txt"]


def test_a_file_without_read_permission_is_reported_and_the_rest_is_indexed(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"secret.txt": "The pump.", "good.txt": "The pump."})
    (project / "secret.txt").chmod(0)
    result = vsearch.without_privileges()("index", ".", cwd=project)
    assert result.status == 2
    assert result.err == "vsearch: secret.txt: permission denied; left out of the index\n"
    assert paths(vsearch, project) == ["good.txt"]


def test_a_folder_without_read_permission_is_reported_and_its_files_stay(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"locked/a.txt": "The pump.", "good.txt": "The pump."})
    index(vsearch, project, ".")
    (project / "locked").chmod(0)
    try:
        result = vsearch.without_privileges()("index", ".", cwd=project)
    finally:
        (project / "locked").chmod(0o755)
    assert result.status == 2
    assert result.err == "vsearch: locked: permission denied; its old text stays in the index\n"
    assert paths(vsearch, project) == ["good.txt", "locked/a.txt"]
