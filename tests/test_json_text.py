"""JSON from outside is parsed by one function, which raises ValueError for all malformed text."""

from pathlib import Path

import pytest

from vsearch_core.json_text import parse_json

ROOT = Path(__file__).parent.parent
PARSER = ROOT / "vsearch_core" / "json_text.py"


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a":' * 100_000, b"\xff", "9" * 5_000])
def test_malformed_text_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        parse_json(text)


def test_values_are_returned() -> None:
    assert parse_json('{"a": [1, null]}') == {"a": [1, None]}
    assert parse_json("[" * 100 + "]" * 100) is not None


@pytest.mark.parametrize("folder", ["vsearch_core", "cli"])
def test_no_other_module_parses_json(folder: str) -> None:
    files = (path for path in (ROOT / folder).glob("**/*.py") if path != PARSER)
    assert [str(path) for path in files if "json.loads(" in path.read_text(encoding="utf-8")] == []
