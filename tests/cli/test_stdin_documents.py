"""`vsearch index -` and `vsearch similar -`: documents on standard input."""

import os
import pty
import subprocess
from pathlib import Path

import pytest
from process import COMMAND, Vsearch, write_files

BEES = "# Bees\n\nThe hive is inspected every ten days in May.\n"
NAME = "garden/bees.md"
OTHER = "; give it another name, such as --name notes/a.md"
KEPT = f".vsearch/documents/{NAME}"


@pytest.fixture(scope="module")
def made(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_files(tmp_path_factory.mktemp("mill"), {"pump.md": "The hand pump at the well needs grease.\n"})
    assert vsearch("index", "-q", ".", cwd=folder).status == 0
    summary = vsearch("index", "-", "--name", NAME, "--json", cwd=folder, stdin=BEES).json
    assert (summary["files"], summary["added"], summary["outside"]) == (2, 1, [])
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    """Return a copy of the folder, which a test may change."""
    subprocess.run(["cp", "-a", made, tmp_path / "mill"], check=True)
    return tmp_path / "mill"


def test_a_document_from_stdin_is_found_read_and_counted(vsearch: Vsearch, made: Path) -> None:
    assert vsearch("query", "hive", "--paths", "--mode", "keyword", cwd=made).lines == [KEPT]
    assert vsearch("query", "hive", "--paths", "--path", "bees.md", "--mode", "keyword", cwd=made).lines == [KEPT]
    for name in (NAME, KEPT):
        assert vsearch("read", name, cwd=made).out == f"{KEPT}:1-3  Bees\n{BEES}"
    assert f"indexed  {KEPT}" in vsearch("status", "--files", cwd=made).lines


def test_it_is_the_same_file_in_hits_and_on_disk(vsearch: Vsearch, made: Path) -> None:
    (hit,) = vsearch("query", "hive", "--json", "--mode", "keyword", cwd=made).json["hits"]
    assert (hit["path"], hit["heading"]) == (KEPT, "Bees")
    assert (made / hit["path"]).read_text(encoding="utf-8") == BEES


@pytest.mark.parametrize("change", ["nothing", "documents deleted", "all patterns excluded"])
def test_no_update_throws_it_away(vsearch: Vsearch, project: Path, change: str) -> None:
    if change == "documents deleted":
        subprocess.run(["rm", "-r", project / ".vsearch/documents"], check=True)
    elif change == "all patterns excluded":
        (project / ".vsearch/config.toml").write_text('exclude = ["*.md"]\n', encoding="utf-8")
    assert vsearch("index", "-q", ".", cwd=project).status == 0
    vsearch("index", "-q", cwd=project)
    assert vsearch("query", "hive", "--paths", "--mode", "keyword", cwd=project).lines == [KEPT]


def test_the_same_name_replaces_it_and_a_plan_says_so(vsearch: Vsearch, project: Path) -> None:
    text = BEES.replace("ten days", "week")
    plan = vsearch("index", "-", "--name", NAME, "--plan", "--json", cwd=project, stdin=text).json
    assert (plan["new"], plan["changed"], plan["embed"], plan["outside"]) == (0, 1, 1, [])
    assert (project / KEPT).read_text(encoding="utf-8") == BEES
    done = vsearch("index", "-", "--name", NAME, "--json", cwd=project, stdin=text).json
    assert (done["files"], done["changed"]) == (2, 1)
    assert vsearch("read", NAME, cwd=project).out == f"{KEPT}:1-3  Bees\n{text}"


def test_a_plan_without_an_index_writes_nothing(vsearch: Vsearch, tmp_path: Path) -> None:
    assert vsearch("index", "-", "--plan", "--json", cwd=tmp_path, stdin=BEES).json["new"] == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [NAME, KEPT])
def test_remove_deletes_it_for_good(vsearch: Vsearch, project: Path, name: str) -> None:
    result = vsearch("remove", name, cwd=project)
    assert (result.status, result.err) == (0, "")
    assert not (project / KEPT).exists()
    assert vsearch("index", "--json", cwd=project).json["files"] == 1


def test_an_export_holds_it_and_a_later_update_keeps_it(vsearch: Vsearch, made: Path, tmp_path: Path) -> None:
    archive = vsearch("export", "-", cwd=made).stdout
    (tmp_path / "pump.md").write_text("A new pump.\n", encoding="utf-8")
    assert vsearch("import", "-", "--index", ".vsearch", cwd=tmp_path, stdin=archive).status == 0
    assert vsearch("index", "-q", ".", cwd=tmp_path).status == 0
    assert vsearch("read", NAME, cwd=tmp_path).lines[1:] == BEES.splitlines()
    assert vsearch("query", "hive", "--paths", "--mode", "keyword", cwd=tmp_path).lines == [KEPT]


def test_without_a_name_each_text_is_kept_once(vsearch: Vsearch, project: Path) -> None:
    for text in ("Rye bread with caraway", "Rye bread with caraway", "Oat biscuits"):
        assert vsearch("index", "-q", "-", cwd=project, stdin=text).status == 0
    names = {path.name for path in (project / ".vsearch/documents").glob("stdin-*.txt")}
    assert len(names) == 2
    assert vsearch("query", "caraway", "--paths", "--mode", "keyword", cwd=project).lines[0].rpartition("/")[2] in names


def test_the_suffix_of_the_name_says_what_kind_it_is(vsearch: Vsearch, project: Path) -> None:
    page = (
        "<html><head><title>Ovens</title><script>nonsense()</script></head><body><p>Bake rye bread.</p></body></html>"
    )
    assert vsearch("index", "-q", "-", "--name", "ovens.html", cwd=project, stdin=page).status == 0
    text = vsearch("read", "ovens.html", cwd=project).out
    assert "Bake rye bread." in text
    assert "nonsense" not in text


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.txt", b"\x00\x01\x02\x00", "is binary, not text"),
        ("a.pdf", b"not a PDF", "is not a readable PDF"),
        ("deep/a.pdf", b"not a PDF", "is not a readable PDF"),
    ],
)
def test_what_cannot_be_read_is_said_and_not_kept(
    vsearch: Vsearch, project: Path, name: str, data: bytes, reason: str
) -> None:
    result = vsearch("index", "-", "--name", name, cwd=project, stdin=data)
    assert result.status == 2
    assert f"vsearch: .vsearch/documents/{name}: {reason}" in result.err
    assert vsearch("index", "-q", cwd=project).status == 0
    assert not (project / f".vsearch/documents/{name}").exists()


@pytest.mark.parametrize(
    ("arguments", "data", "error"),
    [
        ((), "", "stdin: is empty; send a document through a pipe, or name a file instead of -"),
        (("pump.md",), "x", "index -: reads one document from stdin; leave out the other paths"),
        (("--name", "../x"), "x", f"../x: is not the relative path of a file, without ..{OTHER}"),
        (("--name", "/x"), "x", f"/x: is not the relative path of a file, without ..{OTHER}"),
        (("--name", "a/"), "x", f"a/: is not the relative path of a file, without ..{OTHER}"),
        (("--name", ".env"), "x", f".env: is the name of a hidden file, which updates leave out{OTHER}"),
        (("--name", "a/.git/b"), "x", f"a/.git/b: is the name of a hidden file, which updates leave out{OTHER}"),
        (("--name", "garden"), "x", f"garden: a document can't have the name of a folder of other documents{OTHER}"),
        (
            ("--name", f"{NAME}/x"),
            "x",
            f"{NAME}/x: a document can't have the name of a folder of other documents{OTHER}",
        ),
        (("--name", "x" * 300), "x", f"{'x' * 300}: is longer than 200 bytes{OTHER}"),
        (
            ("--max-file-size", "9"),
            "ten letters",
            "stdin: has more than 9 bytes; change the setting max_file_size with `vsearch config`",
        ),
    ],
)
def test_what_is_no_document_is_refused(
    vsearch: Vsearch, made: Path, arguments: tuple[str, ...], data: str, error: str
) -> None:
    assert vsearch("index", "-", *arguments, cwd=made, stdin=data).error == error
    assert vsearch("status", "--json", cwd=made).json["files"] == 2


@pytest.mark.parametrize("command", ["index", "similar"])
def test_a_terminal_on_stdin_is_refused(vsearch: Vsearch, made: Path, command: str) -> None:
    keyboard, terminal = pty.openpty()
    try:
        done = subprocess.run(
            [COMMAND, command, "-"],
            check=False,
            cwd=made,
            stdin=terminal,
            env=vsearch.environment,
            capture_output=True,
            text=True,
        )
    finally:
        os.close(keyboard)
        os.close(terminal)
    reason = "reads a document from stdin, which is a terminal; send it through a pipe"
    assert (done.returncode, done.stderr) == (2, f"vsearch: {command} -: {reason}\n")


def test_a_link_in_place_of_the_folder_is_not_written_through(vsearch: Vsearch, project: Path, tmp_path: Path) -> None:
    subprocess.run(["rm", "-r", project / ".vsearch/documents"], check=True)
    (tmp_path / "outside").mkdir()
    (project / ".vsearch/documents").symlink_to(tmp_path / "outside")
    result = vsearch("index", "-", "--name", "x.md", cwd=project, stdin="text")
    assert result.status == 2
    assert "is a symbolic link" in result.err
    assert list((tmp_path / "outside").iterdir()) == []
    (tmp_path / "outside/secret.md").write_text("hive and secret\n", encoding="utf-8")
    assert vsearch("index", cwd=project).status == 2
    assert vsearch("query", "secret", "--paths", "--mode", "keyword", cwd=project).lines == []


def test_similar_takes_a_document_with_all_options(vsearch: Vsearch, made: Path) -> None:
    answer = vsearch("similar", "-", "--json", "-k", "1", cwd=made, stdin="Beekeepers look into their hives").json
    assert (answer["query"], answer["mode"], [hit["path"] for hit in answer["hits"]]) == ("-", "vector", [KEPT])
    found = vsearch("similar", "-", "--paths", "--path", "pump.md", cwd=made, stdin=b"beehives in the garden")
    assert found.lines == ["pump.md"]
    page = "<p>Beekeepers look into their hives</p><script>pump pump pump well well grease</script>"
    shown = vsearch("similar", "-", "--name", "a.html", "--paths", "-k", "1", cwd=made, stdin=page)
    assert shown.lines == [KEPT]


def test_similar_says_what_it_cannot_read(vsearch: Vsearch, made: Path) -> None:
    assert vsearch("similar", "-", cwd=made, stdin="").error.startswith("stdin: is empty;")
    broken = vsearch("similar", "-", "--name", "a.pdf", cwd=made, stdin="x").error
    assert broken.startswith("a.pdf: is not a readable PDF")
    large = vsearch("similar", "-", cwd=made, stdin="ten letters", VSEARCH_MAX_FILE_SIZE="5").error
    assert large.startswith("stdin: has more than 5 bytes;")
