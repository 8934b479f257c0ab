"""The documentation says what is true: the reference is the app's own help, every command is shown by example."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GENERATE = runpy.run_path(str(ROOT / "docs" / "generate.py"))


def test_the_reference_is_what_the_app_says() -> None:
    assert GENERATE["TARGET"].read_text(encoding="utf-8") == GENERATE["reference"](), "run `make docs`"


def test_the_reference_has_every_command() -> None:
    shown = re.search(r"Commands:\n((?:  .*\n?)+)", GENERATE["help_of"]())
    assert shown is not None
    names = re.findall(r"^  (\S+)", shown[1], re.MULTILINE)
    assert names == list(GENERATE["COMMANDS"])


@pytest.mark.parametrize("command", GENERATE["COMMANDS"])
def test_the_readme_shows_every_command(command: str) -> None:
    assert f"vsearch {command}" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "page", sorted(path.relative_to(ROOT) for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]), ids=str
)
def test_links_lead_somewhere(page: Path) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)#]+)", text):
        assert ((ROOT / page).parent / target).exists(), f"{page} links to {target}"


def test_nothing_names_the_machine_it_was_made_on() -> None:
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("docs/**/*.svg")]:
        assert f"{ROOT}/" not in path.read_text(encoding="utf-8"), path
