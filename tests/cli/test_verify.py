"""`vsearch verify`."""

from pathlib import Path

import pytest
from process import Vsearch, write_files

FILES = {
    "policy.md": "# Policy\n\nA late fee of 12.50 is charged after thirty days.\nIt must not be waived.\n",
    "notes/pump.md": "# Pump\n\nDrain the pump before the first frost, or the casing cracks.\n",
}
GOOD = 'The policy says "A late fee of 12.50 is charged after thirty days" (policy.md:3).\n'
BAD = """The policy says "A late fee of 12.05 is charged after thirty days" (policy.md:3).

> It must be waived.

— policy.md:4

"Drain the pump before the first frost" (policy.md:3), and “nobody ever wrote this sentence down”.
"""


@pytest.fixture(scope="module")
def shelf(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_files(tmp_path_factory.mktemp("shelf"), FILES)
    assert vsearch("index", ".", cwd=folder).status == 0
    for name in FILES:
        (folder / name).unlink()
    return folder


def test_a_text_whose_claims_are_supported_is_status_0(vsearch: Vsearch, shelf: Path) -> None:
    result = vsearch("verify", "-", cwd=shelf, stdin=GOOD)
    assert result.status == 0
    assert result.lines == [
        '-:1: supported  "A late fee of 12.50 is charged after thirty days"',
        "    policy.md:3",
        "-:1: supported  policy.md:3",
    ]
    assert result.err == "2 claims: 2 supported\n"


def test_a_text_with_other_claims_is_status_1(vsearch: Vsearch, shelf: Path) -> None:
    write_files(shelf / "notes", {"answer.txt": BAD})
    result = vsearch("verify", "answer.txt", cwd=shelf / "notes")
    assert result.status == 1
    assert result.lines == [
        'answer.txt:1: altered  "A late fee of 12.05 is charged after thirty days"',
        "    ../policy.md:3",
        '    stored "12.50", quoted "12.05"',
        "    the stored text has other words",
        "answer.txt:1: supported  policy.md:3",
        'answer.txt:3: altered  "It must be waived."',
        "    ../policy.md:4",
        '    stored "not", quoted ""',
        "    the stored text has other words",
        "answer.txt:5: supported  policy.md:4",
        'answer.txt:7: misattributed  "Drain the pump before the first frost"',
        "    pump.md:3",
        "    the quote stands elsewhere than cited",
        "answer.txt:7: supported  policy.md:3",
        'answer.txt:7: absent  "nobody ever wrote this sentence down"',
        "    the index has no text like it",
    ]
    assert result.err == "7 claims: 3 supported, 2 altered, 1 misattributed, 1 absent\n"


def test_json_has_the_places_and_the_differences(vsearch: Vsearch, shelf: Path) -> None:
    result = vsearch("verify", "-", "--json", cwd=shelf, stdin=BAD)
    values = result.json
    assert (result.status, values["schema"], values["generation"], values["supported"]) == (
        1,
        "vsearch.verify/1",
        1,
        False,
    )
    assert values["counts"] == {"supported": 3, "altered": 2, "misattributed": 1, "absent": 1, "unchecked": 0}
    claim = values["claims"][0]
    assert (claim["kind"], claim["status"], claim["line"], claim["cited"]) == ("quote", "altered", 1, ["policy.md"])
    assert BAD[claim["start"] : claim["end"]] == '"A late fee of 12.05 is charged after thirty days"'
    assert claim["changes"] == [{"stored": "12.50", "quoted": "12.05"}]
    found = claim["found"]
    assert (found["path"], found["start_line"], found["end_line"], found["heading"]) == ("policy.md", 3, 3, "Policy")
    whole = FILES["policy.md"]
    assert (
        whole[found["start_char"] : found["end_char"]]
        == found["text"]
        == "A late fee of 12.50 is charged after thirty days"
    )


def test_a_text_without_claims_is_status_0(vsearch: Vsearch, shelf: Path) -> None:
    result = vsearch("verify", "-", cwd=shelf, stdin="No claim.\r\n")
    assert (result.status, result.out) == (0, "")
    assert "nothing to verify" in result.err


def test_what_cannot_be_read_is_an_error(vsearch: Vsearch, shelf: Path) -> None:
    assert "can't be read" in vsearch("verify", "gone.txt", cwd=shelf).error
    assert "can't be read" in vsearch("verify", ".", cwd=shelf).error
    assert "is not UTF-8 text" in vsearch("verify", "-", cwd=shelf, stdin=b"\xff\xfe\xfa").error


def test_the_text_cannot_control_the_terminal(vsearch: Vsearch, shelf: Path) -> None:
    hostile = '"a parrot \x1b[31mred \u202e sits here" \x07 policy.md:3'
    assert vsearch("verify", "-", cwd=shelf, stdin=hostile).status == 1
