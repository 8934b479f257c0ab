"""`vsearch read`."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Literal
from unicodedata import normalize

import pytest
from pdfs import make_pdf
from process import DEADLINE, Vsearch, write_files

LONG = "".join(f"Line {number} has its own words and number {number * 7919}.\n" for number in range(1, 1201))
NUMBERED = LONG.splitlines()
COMPOSED = "Übersicht.txt"
FILES: dict[str, str | bytes] = {
    "long.txt": LONG,
    "notes/pump.md": "---\ntitle: The pump\n---\n# Pump\n\nGrease it every spring.\n\n\n\n## Winter\n\nDrain it.\n",
    "a:12": "A colon and a number are its name.\n",
    "with space.txt": "One.\nTwo.\n",
    normalize("NFD", COMPOSED): "Eine Übersicht.\nMit Umlaut.\n",
    "evil.txt": "A parrot \x1b[31mred\x1b[0m \u202etxet\u202c.\nSecond\x07 line.\n",
    "report.pdf": make_pdf("Accounts and auditors", "The heron nests by the weir"),
}


@pytest.fixture(scope="module")
def shelf(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project whose documents are gone but for their folders: only the index is left."""
    folder = write_files(tmp_path_factory.mktemp("shelf"), FILES)
    assert vsearch("index", "--chunk-words", "60", ".", cwd=folder).status == 0
    for name in FILES:
        (folder / name).unlink()
    return folder


def read(vsearch: Vsearch, folder: Path, *arguments: str) -> list[str]:
    """Return the lines of the text, without the first line, which names the place."""
    result = vsearch("read", *arguments, cwd=folder)
    assert result.status == 0, result
    return result.lines[1:]


def test_a_whole_file_is_printed_below_its_place(vsearch: Vsearch, shelf: Path) -> None:
    result = vsearch("read", "long.txt", cwd=shelf)
    assert (result.status, result.err) == (0, "")
    assert result.lines == ["long.txt:1-1200", *NUMBERED]


@pytest.mark.parametrize("first", [1, 2, 37, 600, 1199])
@pytest.mark.parametrize("count", [1, 2, 60])
def test_lines_are_those_of_the_file(vsearch: Vsearch, shelf: Path, first: int, count: int) -> None:
    last = first + count - 1
    place = f"long.txt:{first}" if count == 1 else f"long.txt:{first}-{last}"
    assert read(vsearch, shelf, place) == NUMBERED[first - 1 : last]


def test_an_open_range_ends_with_the_file(vsearch: Vsearch, shelf: Path) -> None:
    assert read(vsearch, shelf, "long.txt:1190-") == NUMBERED[1189:]


def test_context_is_lines_around(vsearch: Vsearch, shelf: Path) -> None:
    assert read(vsearch, shelf, "long.txt:600", "--context", "3") == NUMBERED[596:603]
    values = vsearch("read", "long.txt:600", "--context", "3", "--json", cwd=shelf).json
    assert values["before"].splitlines() == NUMBERED[596:599]
    assert values["text"] == NUMBERED[599]
    assert values["after"].split("\n")[1:] == NUMBERED[600:603]


def test_json_says_where_the_text_stands(vsearch: Vsearch, shelf: Path) -> None:
    values = vsearch("read", "notes/pump.md:6-12", "--json", cwd=shelf).json
    assert values["schema"] == "vsearch.read/1"
    assert (values["path"], values["start_line"], values["end_line"]) == ("notes/pump.md", 6, 12)
    assert (values["heading"], values["page"], values["place"], values["truncated"]) == ("Pump", None, None, False)
    assert values["text"] == "Grease it every spring.\n\n\n\n## Winter\n\nDrain it."
    assert (values["last_line"], values["generation"]) == (12, 1)


def test_the_heading_is_on_the_first_line(vsearch: Vsearch, shelf: Path) -> None:
    assert vsearch("read", "notes/pump.md:6", cwd=shelf).lines == ["notes/pump.md:6  Pump", "Grease it every spring."]


@pytest.mark.parametrize("place", ["report.pdf  page 2", "report.pdf page 2", "report.pdf#page=2"])
def test_a_page_is_named_as_hits_show_it(vsearch: Vsearch, shelf: Path, place: str) -> None:
    assert vsearch("read", place, cwd=shelf).lines[0] == "report.pdf  page 2"
    assert read(vsearch, shelf, place) == ["The heron nests by the weir"]
    assert read(vsearch, shelf, "report.pdf", "--page", "2") == ["The heron nests by the weir"]


def test_page_breaks_are_shown_as_lines(vsearch: Vsearch, shelf: Path) -> None:
    lines = read(vsearch, shelf, "report.pdf")
    assert lines[0].startswith("Accounts")
    assert lines[-2:] == ["[page 2]", "The heron nests by the weir"]


def test_paths_start_at_the_working_folder_or_the_root(vsearch: Vsearch, shelf: Path, tmp_path: Path) -> None:
    notes, text = shelf / "notes", ["Grease it every spring."]
    for place in ("pump.md:6", "./pump.md:6", "notes/pump.md:6", "../notes/pump.md:6", f"{notes}/pump.md:6"):
        assert read(vsearch, notes, place) == text
    link = tmp_path / "link"
    link.symlink_to(shelf)
    assert read(vsearch, shelf, f"{link}/notes/pump.md:6") == text
    assert vsearch("read", "notes/pump.md:6", "--index", shelf, cwd=tmp_path).status == 0


def test_names_with_a_colon_and_blanks_are_names(vsearch: Vsearch, shelf: Path) -> None:
    assert read(vsearch, shelf, "a:12") == read(vsearch, shelf, "a:12:1") == ["A colon and a number are its name."]
    assert read(vsearch, shelf, "with space.txt:2") == ["Two."]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_either_composition_of_a_name_is_found(vsearch: Vsearch, shelf: Path, form: Literal["NFC", "NFD"]) -> None:
    assert read(vsearch, shelf, normalize(form, COMPOSED) + ":2") == ["Mit Umlaut."]


def test_documents_cannot_control_the_terminal(vsearch: Vsearch, shelf: Path) -> None:
    assert "\ufffd[31mred" in vsearch("read", "evil.txt", cwd=shelf).out
    assert vsearch("read", "evil.txt", "--json", cwd=shelf).json["text"].startswith("A parrot \x1b[31mred")


@pytest.mark.parametrize("place", ["long.txt:1201", "long.txt:5000-6000", "notes/pump.md:1-3"])
def test_lines_without_text_are_status_1(vsearch: Vsearch, shelf: Path, place: str) -> None:
    result = vsearch("read", place, cwd=shelf)
    assert (result.status, result.out) == (1, "")
    assert "the last line with text is" in result.err
    assert vsearch("read", "report.pdf", "--page", "9", cwd=shelf).status == 1


def test_a_file_that_is_not_indexed_is_an_error_with_the_nearest_names(vsearch: Vsearch, shelf: Path) -> None:
    assert "the nearest name is long.txt" in vsearch("read", "lnog.txt:3", cwd=shelf).error
    assert "the nearest name is notes/pump.md" in vsearch("read", "elsewhere/pump.md", cwd=shelf).error
    assert "is not in the index; " in vsearch("read", "quite another", cwd=shelf).error
    for name in ("", "notes", "long.txt:0", "x" * 5000, "a\nb"):
        assert "is not in the index" in vsearch("read", name, cwd=shelf).error
    assert "line 3 is before line 7" in vsearch("read", "long.txt:7-3", cwd=shelf).error


def test_a_budget_cuts_the_text_and_says_how_to_read_on(vsearch: Vsearch, shelf: Path) -> None:
    seen: list[str] = []
    place = "long.txt"
    for _ in range(100):
        result = vsearch("read", place, "--max-tokens", "2000", cwd=shelf)
        seen += result.lines[1:]
        if not result.err:
            break
        place = result.err.split("`")[1].removeprefix("vsearch read ")
    assert seen == NUMBERED


def test_a_reader_that_leaves_early_gets_no_error(vsearch: Vsearch, shelf: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = vsearch.command("read", "long.txt")
    environment = dict(vsearch.environment)
    done = subprocess.run(
        command, cwd=shelf, env=environment, stdout=writer, stderr=subprocess.PIPE, timeout=DEADLINE, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_terminal_gets_the_same_text_in_colour(
    on_a_terminal: Callable[..., tuple[int, str, str]], shelf: Path
) -> None:
    status, out, _ = on_a_terminal("read", "long.txt:600", "--context", "1", cwd=shelf)
    assert status == 0
    assert out.startswith("\x1b[35mlong.txt:600\x1b[0m\n\x1b[2m" + NUMBERED[598])
