"""`vsearch index --plan`: what it prints."""

import re
from pathlib import Path

from process import Vsearch, write_files

KEYS = [
    *("schema", "index", "new", "changed", "gone", "unchanged", "skipped", "failed", "chunks", "embed", "bytes"),
    *(
        "tokens",
        "tokens_by",
        "provider",
        "model",
        "recipient",
        "requests",
        "seconds",
        "seconds_by",
        "outside",
        "interim",
    ),
]


def test_the_plan_as_text(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"a.txt": "The pump.", "b.txt": "The bread."})
    result = vsearch("index", "--plan", ".", cwd=project)
    assert (result.status, result.err) == (0, "")
    assert not (project / ".vsearch").exists()
    assert [line.split()[0] for line in result.lines] == [
        *("index", "files", "chunks", "tokens", "requests", "time", "sent"),
    ]
    assert result.lines[1] == "files     2 new"
    assert result.lines[2] == "chunks    2 new, 2 to embed"
    assert result.lines[3] == "tokens    5 or so (one for four bytes of UTF-8)"
    assert re.fullmatch(r"time      \d+\.\d s or so \(measured on a few chunks\)", result.lines[5])
    assert result.lines[6] == "sent      nothing"


def test_the_plan_as_json(vsearch: Vsearch, indexed: Path) -> None:
    write_files(indexed, {"bread.txt": "Rye bread needs time.\n", "new.txt": "A new pump.", "pump.txt": "Another."})
    planned = vsearch("index", "--plan", "--json", cwd=indexed).json
    assert sorted(planned) == sorted(KEYS)
    assert (planned["schema"], planned["index"]) == ("vsearch.plan/1", str(indexed / ".vsearch"))
    assert [planned[key] for key in ("new", "changed", "gone", "unchanged", "embed")] == [1, 1, 0, 1, 2]
    assert vsearch("status", "--json", cwd=indexed).json["files"] == 2


def test_the_plan_says_what_would_be_sent_before_consent_is_asked_for(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"a.txt": "The pump."})
    environment = {"VSEARCH_EMBEDDER": "openai", "VSEARCH_BASE_URL": "https://example.org/v1"}
    result = vsearch("index", "--plan", ".", cwd=project, **environment)
    assert result.lines[4:] == [
        "requests  1",
        "time      1.0 s or so (one second for each request, within --rpm and --tpm)",
        "sent      9 B of text to example.org (openai)",
    ]


def test_a_rate_limit_makes_the_plan_longer(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {f"{number}.txt": f"Pump {number}." for number in range(5)})
    arguments = ("index", "--plan", "--embedder", "gemini", "--json", ".")
    assert vsearch(*arguments, cwd=project).json["seconds"] == 1
    assert vsearch(*arguments, "--rpm", "1", cwd=project).json["seconds"] == 240
    assert vsearch(*arguments, cwd=project, VSEARCH_RPM="2").json["seconds"] == 90
