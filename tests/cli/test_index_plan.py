"""`vsearch index --plan`: what it prints."""

import re
from pathlib import Path

from process import Vsearch, write_files

KEYS = [
    *("schema", "index", "new", "changed", "gone", "unchanged", "skipped", "failed", "chunks", "embed", "bytes"),
    *("tokens", "tokens_by", "provider", "model", "recipient", "requests", "seconds", "seconds_by", "outside"),
]


def test_text(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"a.txt": "The pump.", "b.txt": "The bread."})
    ran = vsearch("index", "--plan", ".", cwd=project)
    assert (ran.status, ran.err) == (0, "")
    assert not (project / ".vsearch").exists()
    assert [line.split()[0] for line in ran.lines] == [
        *("index", "files", "chunks", "tokens", "requests", "time", "sent"),
    ]
    assert ran.lines[1] == "files     2 new"
    assert ran.lines[2] == "chunks    2 new, 2 to embed"
    assert ran.lines[3] == "tokens    5 or so (one for four bytes of UTF-8)"
    assert re.fullmatch(r"time      \d+\.\d s or so \(measured on a few chunks\)", ran.lines[5])
    assert ran.lines[6] == "sent      nothing"


def test_json(vsearch: Vsearch, indexed: Path) -> None:
    write_files(indexed, {"bread.txt": "Rye bread needs time.\n", "new.txt": "A new pump.", "pump.txt": "Another."})
    planned = vsearch("index", "--plan", "--json", cwd=indexed).json
    assert sorted(planned) == sorted(KEYS)
    assert (planned["schema"], planned["index"]) == ("vsearch.plan/1", str(indexed / ".vsearch"))
    assert [planned[key] for key in ("new", "changed", "gone", "unchanged", "embed")] == [1, 1, 0, 1, 2]
    assert vsearch("status", "--json", cwd=indexed).json["files"] == 2


def test_what_would_be_sent_is_said_before_anybody_is_asked(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"a.txt": "The pump."})
    environment = {"VSEARCH_EMBEDDER": "openai", "VSEARCH_BASE_URL": "https://example.org/v1"}
    ran = vsearch("index", "--plan", ".", cwd=project, **environment)
    assert ran.lines[4:] == [
        "requests  1",
        "time      1.0 s or so (one second for each request, within --rpm and --tpm)",
        "sent      9 B of text to example.org (openai)",
    ]


def test_the_pace_makes_it_longer(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {f"{number}.txt": f"Pump {number}." for number in range(5)})
    asked = ("index", "--plan", "--embedder", "gemini", "--json", ".")
    assert vsearch(*asked, cwd=project).json["seconds"] == 1
    assert vsearch(*asked, "--rpm", "1", cwd=project).json["seconds"] == 240
    assert vsearch(*asked, cwd=project, VSEARCH_RPM="2").json["seconds"] == 90
