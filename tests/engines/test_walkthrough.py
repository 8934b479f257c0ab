"""The commands of docs/scale.md for an index on a server, as they stand there but for the server's address."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from process import Vsearch

pytestmark = pytest.mark.engines
PAGE = Path(__file__).parent.parent.parent / "docs" / "scale.md"
ADDRESS = "postgresql://db.example/docs?schema=notes"


def commands(section: str) -> list[list[str]]:
    """Return the words of each `vsearch` command in the first shell block of a section."""
    text = PAGE.read_text().split(f"\n## {section}\n", 1)[1].split("\n## ")[0]
    (block, *_) = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    lines = (shlex.split(line, comments=True) for line in block.splitlines())
    return [words[1:] for words in lines if words[0] == "vsearch"]


def test_the_walkthrough_with_postgresql(vsearch: Vsearch, tmp_path: Path, new_address: Callable[[], str]) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/loans.md").write_text("# Loans\n\nThe late fee for a drill is two crowns a day.\n")
    address = new_address()
    walk = commands("PostgreSQL with pgvector")
    assert [words[0] for words in walk] == ["index", "query", "status", "check", "copy", "query"]
    for words in walk:
        assert ADDRESS in words or words is walk[-1], words
        result = vsearch(*(word.replace(ADDRESS, address) for word in words), cwd=tmp_path)
        assert result.status == 0, result
        if words[0] == "query":
            assert result.out.startswith("notes/loans.md:"), result
