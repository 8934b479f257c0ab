"""Exact things first: codes, names, symbols, quotes, marks and misspelled words."""

from pathlib import Path

import pytest
from process import Vsearch, write_files

FILES = {
    "oven.md": "# Oven\n\nChild lock: hold the clock key. Error E-07 means that the door is not shut.",
    "codes.md": "# Codes of the booking service\n\n| code | when |\n|---|---|\n| E4031 | no induction |\n"
    "| E4090 | overlaps another reservation |\n| E4092 | somebody is waiting |\n\nAll answers are JSON.",
    "changes.md": "Release 2.14.3 mends the parser. Release 2.14.4 changes the colours of the menu.",
    "menu.md": "What changed in the menu: the release of spring has new colours for the parser and the menu.",
    "api.py": 'def parse_retry_header(value):\n    """Read Retry-After."""\n    return value <=> 3\n',
    "retry.md": "Retry the header: how to parse a retry, after which value the header counts, and retry again.",
    "ducks.md": "The ducks are fed 🦆 at six, for 50% of the price → ask Ruth.",
    "people.md": "Antonín Dvořák repairs clocks in Łódź. Mr. Nguyễn sends his résumé to Malmö. It was a naïve plan.",
    "plain.md": "We resume work on the naive model.",
    "boiler.md": "The boiler shows F.28 when the gas valve is shut.",
    "thai.txt": "การประชุมเริ่มเก้าโมง",
}


@pytest.fixture(scope="module")
def house(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_files(tmp_path_factory.mktemp("house"), FILES)
    assert vsearch("index", ".", cwd=folder).status == 0
    return folder


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("what does error E4090 mean", "codes.md"),
        ("what changed in the menu with release 2.14.4", "changes.md"),
        ("how does parse_retry_header parse the header", "api.py"),
        ("Retry-After", "api.py"),
        ("what is F.28", "boiler.md"),
        ("🦆", "ducks.md"),
        ("→", "ducks.md"),
        ("<=>", "api.py"),
        ("%", "ducks.md"),
    ],
)
def test_the_chunk_with_the_exact_thing_is_first(vsearch: Vsearch, house: Path, query: str, path: str) -> None:
    assert vsearch("query", "--paths", query, cwd=house).lines[0] == path


@pytest.mark.parametrize("quoted", ['"🦆"', "“🦆”", 'ducks ("at six")', "«at six»", '"→ ask"'])
def test_no_kind_of_quotes_is_dropped(vsearch: Vsearch, house: Path, quoted: str) -> None:
    assert vsearch("query", "--paths", quoted, cwd=house).lines == ["ducks.md"]


@pytest.mark.parametrize("name", ["Dvorak", "Lodz", "Nguyen", "Malmo", "Dvořak"])
def test_names_without_their_marks_are_found_by_keyword(vsearch: Vsearch, house: Path, name: str) -> None:
    assert vsearch("query", "--paths", "--mode", "keyword", name, cwd=house).lines == ["people.md"]


@pytest.mark.parametrize(
    ("word", "paths"),
    [("naive", ["plain.md", "people.md"]), ("naïve", ["people.md", "plain.md"]), ("resume", ["plain.md", "people.md"])],
)
def test_the_same_marks_come_before_others(vsearch: Vsearch, house: Path, word: str, paths: list[str]) -> None:
    assert vsearch("query", "--paths", "--mode", "keyword", word, cwd=house).lines == paths


@pytest.mark.parametrize(
    ("typed", "path"), [("boilar", "boiler.md"), ("reservatoin", "codes.md"), ("induktion", "codes.md")]
)
def test_a_misspelled_word_is_found_and_said(vsearch: Vsearch, house: Path, typed: str, path: str) -> None:
    answer = vsearch("query", "--mode", "keyword", "--explain", typed, cwd=house)
    assert answer.out.startswith(path)
    assert " ~~: a quarter, for one other letter: ~~" in answer.out


@pytest.mark.parametrize("word", ["duks", "boilarr", "2.14.5"])
def test_short_words_two_edits_and_numbers_are_not_corrected(vsearch: Vsearch, house: Path, word: str) -> None:
    assert "~" not in vsearch("query", "--mode", "keyword", "--explain", word, cwd=house).out


@pytest.mark.parametrize("words", [["-boiler"], ['-"gas valve"'], ["-boiler", "-F.28"]])
@pytest.mark.parametrize("mode", ["hybrid", "keyword", "vector"])
def test_an_exclusion_alone_gives_everything_without_it(
    vsearch: Vsearch, house: Path, words: list[str], mode: str
) -> None:
    found = vsearch("query", "--paths", "-k", "50", "--mode", mode, "--", *words, cwd=house)
    assert sorted(found.lines) == sorted(set(FILES) - {"boiler.md"})


def test_a_symbol_that_is_nowhere_is_no_function_word(vsearch: Vsearch, house: Path) -> None:
    answer = vsearch("query", "--mode", "keyword", "🍕", cwd=house)
    assert (answer.status, answer.out) == (1, "")
    assert "no chunk has these words" in answer.err
