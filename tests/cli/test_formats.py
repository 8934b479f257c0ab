"""Office files, mail and notebooks from end to end, and the list of formats."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

from packages import docx, pack, pptx, shape, xlsx
from process import Vsearch, write_files


def test_the_place_of_a_hit_is_named_as_its_program_names_it(vsearch: Vsearch, project: Path) -> None:
    rows = "".join(
        f'<row r="{n}"><c r="A{n}" t="str"><v>{a}</v></c><c r="B{n}" t="str"><v>{b}</v></c></row>'
        for n, a, b in ((2, "bird", "count"), (3, "heron", "seven"))
    )
    (project / "birds.xlsx").write_bytes(xlsx({"The list": rows}))
    (project / "talk.pptx").write_bytes(pptx(shape("Welcome", kind="title"), shape("Sourdough rises", kind="title")))
    (project / "lease.docx").write_bytes(docx("<w:p><w:r><w:t>The tenant pays rent.</w:t></w:r></w:p>"))
    cells = [{"cell_type": "markdown", "source": "intro"}, {"cell_type": "code", "source": "volcano = 1"}]
    write_files(project, {"a.ipynb": json.dumps({"cells": cells}), "m.eml": "From: Ann\nSubject: Glacier\n\nmelting\n"})
    assert vsearch("index", ".", cwd=project).status == 0

    def best(*question: str) -> dict[str, object]:
        result = vsearch("query", "--mode", "keyword", "-k", "1", "--json", *question, cwd=project)
        hit: dict[str, object] = result.json["hits"][0]
        return hit

    assert [best(word)["place"] for word in ("heron", "sourdough", "tenant", "volcano")] == [
        "'The list'!2:3",
        "slide 1",
        None,
        "cell 1",
    ]
    assert best("melting", "--where", "author = 'Ann'")["path"] == "m.eml"
    result = vsearch("query", "--mode", "keyword", "-k", "1", "sourdough", cwd=project)
    assert result.lines[0].startswith("talk.pptx  slide 2  ")
    assert (
        vsearch("query", "--mode", "keyword", "heron", cwd=project).lines[0].startswith("birds.xlsx  'The list'!2:3  ")
    )
    assert vsearch("query", "--mode", "keyword", "tenant", cwd=project).lines[0].startswith("lease.docx  ")


def test_a_hit_in_an_archive_is_shown_with_the_files_path_and_line(vsearch: Vsearch, project: Path) -> None:
    note = "# Boats\n\nfirst\n\n## Repairs\n\nThe keel was patched with copper.\n"
    (project / "box.zip").write_bytes(pack({"letters/may.md": note}))
    (project / "tool.zip").write_bytes(pack({"a.py": "keel = 1"}))
    assert vsearch("index", ".", "--source-archives", cwd=project).status == 0
    lines = vsearch("query", "--mode", "keyword", "keel copper", cwd=project).lines
    assert lines[0].startswith("box.zip!letters/may.md:7  Boats")
    assert any(line.startswith("tool.zip!a.py:1  ") for line in lines)
    result = vsearch("read", "box.zip!letters/may.md:7", cwd=project)
    assert result.lines[0].startswith("box.zip!letters/may.md  Boats")
    assert result.lines[1:] == ["The keel was patched with copper."]


def test_formats_lists_the_readable_formats(vsearch: Vsearch, project: Path) -> None:
    result = vsearch("formats", cwd=project)
    assert result.status == 0
    assert any(line.split()[0] == "PDF" and ".pdf" in line for line in result.lines)
    assert "compressed .gz .bz2 .xz .zst after any of these" in (" ".join(line.split()) for line in result.lines)
    lacks_program = shutil.which("ocrmypdf", path=vsearch.environment["PATH"]) is None
    assert result.lines[-1].startswith("scanned, --ocr ")
    lacks_both = lacks_program and find_spec("rapidocr") is None
    assert result.lines[-1].endswith("(needs: pip install 'vsearch[ocr]')") == lacks_both
    rows = {row["name"]: row for row in vsearch("formats", "--json", cwd=project).json["formats"]}
    assert rows["PowerPoint presentation"]["unit"] == "slide"
    assert rows["Outlook message"]["extra"] == "msg"
