"""The documentation matches the program: its reference, its examples, its links and the names it mentions."""

import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from vsearch_core.text.extract.descriptions import DESCRIPTIONS
from vsearch_core.text.extract.registry import FORMATS, PLAIN, STORED_MESSAGE

ROOT = Path(__file__).parent.parent
GENERATE = runpy.run_path(str(ROOT / "docs" / "generate.py"))
PICTURE = runpy.run_path(str(ROOT / "docs" / "picture.py"))
PAGES = sorted(path.relative_to(ROOT) for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
DECISIONS = sorted(path.relative_to(ROOT) for path in ROOT.glob("docs/adr/0*.md"))
STATUS = re.compile(r"Status: (?:accepted|(?:amended|superseded) by \[.+)\. Date: 20\d\d-\d\d-\d\d\.")
WITH_EXAMPLES = ("README.md", "docs/guide.md")


def text_of(page: str | Path) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def examples(page: str) -> Iterator[list[str]]:
    """Yield the words of each `vsearch` command in the page's indented code blocks."""
    for line in re.findall(r"^    (.+)$", text_of(page), re.MULTILINE):
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&<")
        lexer.whitespace_split = True
        words = list(lexer)
        while words:
            end = next((i for i, word in enumerate(words) if set(word) <= set("|&<")), len(words))
            command, words = words[:end], words[end + 1 :]
            if "vsearch" in command:
                yield command[command.index("vsearch") + 1 :]


def options_of(command: str) -> set[str]:
    """Return the options that the reference lists for a command."""
    section = text_of("docs/cli.md").partition(f"## vsearch {command}\n")[2].partition("\n## ")[0]
    listed = re.findall(r"^  (-\S.*?)(?:  |$)", section, re.MULTILINE)
    return {option for line in listed for option in re.findall(r"(?<![\w-])--?[a-zA-Z0-9][\w-]*", line)}


def test_the_reference_is_the_help_of_every_command() -> None:
    assert GENERATE["TARGET"].read_text(encoding="utf-8") == GENERATE["reference"](), "run `make docs`"


def test_the_manual_page_is_the_help_of_every_command() -> None:
    assert GENERATE["MANUAL"].read_text(encoding="utf-8") == GENERATE["manual"](), "run `make docs`"


def test_the_table_of_formats_is_the_registry() -> None:
    assert GENERATE["FORMATS_PAGE"].read_text(encoding="utf-8") == GENERATE["formats_page"](), "run `make docs`"
    assert GENERATE["table_of_formats"]() in text_of("docs/formats.md")


def test_every_format_is_described() -> None:
    assert {row.name for row in (*FORMATS, STORED_MESSAGE, PLAIN)} == set(DESCRIPTIONS)
    assert all(row.extra in DESCRIPTIONS[row.name].with_extra for row in FORMATS)


def test_the_reference_has_every_command() -> None:
    shown = re.search(r"Commands:\n((?:  .*\n?)+)", GENERATE["help_of"]())
    assert shown is not None
    names = re.findall(r"^  (\S+)", shown[1], re.MULTILINE)
    assert names == list(GENERATE["COMMANDS"])


@pytest.mark.parametrize("command", GENERATE["COMMANDS"])
def test_the_guide_shows_every_command(command: str) -> None:
    assert command in {words[0] for words in examples("docs/guide.md")}


@pytest.mark.parametrize("page", WITH_EXAMPLES)
def test_examples_use_commands_and_options_that_exist(page: str) -> None:
    found = list(examples(page))
    assert found
    for command, *words in found:
        assert command in GENERATE["COMMANDS"], f"{page} shows `vsearch {command}`"
        for option in [word for word in words if re.match(r"-{1,2}[a-zA-Z0-9]", word)]:
            name = option.partition("=")[0]
            assert name in options_of(command), f"{page} shows `vsearch {command} {option}`"


def test_the_readme_is_short() -> None:
    assert len(text_of("README.md").splitlines()) <= 110


def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", text_of("README.md"), re.DOTALL)
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "fees.md").write_text("# Fees\n\nThe late fee is two pounds a day.\n", encoding="utf-8")
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    python = [sys.executable, "-c", code]
    done = subprocess.run(
        python, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "late fee is two pounds" in done.stdout


def test_the_picture_shows_commands_that_exist_and_files_of_the_sample_corpus() -> None:
    picture = ElementTree.fromstring(PICTURE["TARGET"].read_text(encoding="utf-8"))
    shown = "\n".join("".join(element.itertext()) for element in picture.iter() if element.tag.endswith("}text"))
    for command in PICTURE["COMMANDS"]:
        assert f"$ {command}" in shown, "run `python -m docs.picture`"
        name, *words = shlex.split(command)[1:]
        assert name in GENERATE["COMMANDS"]
        assert {word for word in words if re.match(r"--?[a-z]", word)} <= options_of(name)
    paths = re.findall(r"^(sample_corpus/[^:\n]+?)(?::\d+|  page|$)", shown, re.MULTILINE)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_picture_wraps_lines_and_colours_as_a_terminal_does() -> None:
    columns = PICTURE["COLUMNS"]
    (first, second) = PICTURE["wrap"](PICTURE["pieces"]("\x1b[35m" + "p" * columns + "\x1b[0m" + "<&>"))
    assert first == [("path", "p" * columns)]
    assert second[-1] == ("", "<&>")
    drawn = ElementTree.fromstring(PICTURE["svg"]([first, second]))
    assert "".join(drawn[-1].itertext()) == "<&>"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)#]+)", text_of(page)):
        assert ((ROOT / page).parent / target).exists(), f"{page} links to {target}"


def test_the_commands_of_the_benchmarks_exist() -> None:
    text = "".join(map(text_of, ("docs/benchmarks.md", "docs/scale.md", "Makefile")))
    commands = re.findall(r"python -m benchmarks\.(\w+)([^\n`]*)", text)
    assert commands
    for module, options in commands:
        source = text_of(f"benchmarks/{module}.py")
        for option in re.findall(r"--[a-z][a-z-]*", options):
            assert f'"{option}"' in source, f"benchmarks.{module} has no {option}"


@pytest.mark.parametrize("page", DECISIONS, ids=str)
def test_a_decision_begins_with_its_status_its_date_and_the_decision_in_ten_lines(page: Path) -> None:
    title, status, decision = text_of(page).split("\n\n")[:3]
    number, name = title.removeprefix("# ").split(". ", 1)
    assert number == page.name[:4].lstrip("0")
    assert STATUS.fullmatch(" ".join(status.split()))
    assert decision.startswith("**Decision.** ")
    assert len(decision.splitlines()) <= 10
    assert f"| [{number}]({page.name}) | {name} |" in text_of("docs/adr/README.md")


def mentioned(page: Path) -> Iterator[str]:
    """Yield the page's code spans, but not its code blocks."""
    prose = re.sub(r"```.*?```|^    .*?$", "", text_of(page), flags=re.DOTALL | re.MULTILINE)
    yield from re.findall(r"`([^`\n]+)`", prose)


@pytest.mark.parametrize("page", [Path("docs/architecture.md"), *DECISIONS], ids=str)
def test_paths_that_a_page_mentions_exist(page: Path) -> None:
    for span in mentioned(page):
        if re.fullmatch(r"(?:cli|docs|tests|benchmarks|vsearch_core)/[\w./-]*|[\w./]+\.py", span):
            assert (ROOT / span).exists() or list(ROOT.glob(f"vsearch_core/**/{span}")), span


def test_names_that_the_architecture_mentions_exist() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.glob("vsearch_core/**/*.py"))
    for span in mentioned(Path("docs/architecture.md")):
        if re.fullmatch(r"[A-Z][a-z]+[A-Za-z]*|[a-z]+_[a-z_]+", span):
            assert re.search(rf"(?:class|def) {span}\b|\b{span}:", sources), span
        if target := re.fullmatch(r"make ([\w-]+)", span):
            assert re.search(rf"^{target[1]}:", text_of("Makefile"), re.MULTILINE), span


def test_nothing_names_the_machine_it_was_made_on() -> None:
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("docs/**/*.svg")]:
        assert f"{ROOT}/" not in path.read_text(encoding="utf-8"), path
