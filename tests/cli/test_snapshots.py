"""`vsearch push`, `pull` and `snapshots` over a folder; and the walkthrough of docs/scale.md."""

import re
import shlex
from pathlib import Path

import pytest
from process import Vsearch, write_files

pytest.importorskip("obstore")

PAGE = Path(__file__).parent.parent.parent / "docs" / "scale.md"
PUSH_KEYS = (
    *("schema", "index", "url", "snapshot", "generation", "files", "chunks", "segments", "bytes"),
    *("sent_objects", "sent_bytes", "is_new", "seconds"),
)
PULL_KEYS = [key.replace("sent", "fetched") for key in PUSH_KEYS]


def test_the_walkthrough_runs(vsearch: Vsearch, project: Path) -> None:
    write_files(project, {"notes/fees.md": "A late fee is due after fourteen days.\n"})
    section = PAGE.read_text(encoding="utf-8").partition("## Many readers")[2].partition("\n## ")[0]
    lines = [shlex.split(line, comments=True) for line in re.findall(r"^    (vsearch .+)$", section, re.MULTILINE)]
    ran = [words[1:] for words in lines if "--follow" not in words]
    assert {words[0] for words in ran} == {"index", "push", "pull", "query", "snapshots"}
    for words in ran:
        result = vsearch(*words, cwd=project)
        assert result.status == 0, result
    shown = vsearch("snapshots", "file:store", cwd=project)
    assert re.fullmatch(r"\*    1  20\d\d-\d\d-\d\d \d\d:\d\d:\d\d  1 file, 1 chunk, \S+ kB  released\n", shown.out)


def test_the_summaries_have_the_keys_of_the_contract(vsearch: Vsearch, indexed: Path) -> None:
    url = (indexed / "store").as_uri()
    pushed = vsearch("push", "--json", url, cwd=indexed).json
    assert list(pushed) == list(PUSH_KEYS)
    assert (pushed["schema"], pushed["url"], pushed["snapshot"], pushed["is_new"]) == ("vsearch.push/1", url, 1, True)
    pulled = vsearch("pull", "--json", "--index", "copy", "file:store", cwd=indexed).json
    assert list(pulled) == PULL_KEYS
    assert (pulled["schema"], pulled["index"], pulled["url"]) == ("vsearch.pull/1", str(indexed / "copy"), url)
    listed = vsearch("snapshots", "--json", url, cwd=indexed).json
    assert list(listed) == ["schema", "url", "current", "snapshots"]
    (snapshot,) = listed["snapshots"]
    assert (snapshot["number"], snapshot["is_current"], snapshot["bytes"]) == (1, True, pushed["bytes"])
    assert vsearch("check", "--full", "--index", "copy", cwd=indexed).status == 0


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("s3://key:hunter2@bucket/x", "has a user name or password in it; leave them out"),
        ("s3://bucket/x?X-Amz-Signature=hunter2", "has a ? or # in it"),
        ("https://hunter2.example.com/x#hunter2", "has a ? or # in it"),
        ("ftp://bucket/x", "is not a URL of a store; write it like s3://bucket/prefix"),
        ("s3:///x", "is not a URL of a store"),
        ("store", "is not a URL of a store"),
        ("file:", "names no folder"),
        ("file://host/store", "is not a URL of a store"),
        ("s3://bucket/../x", "is not a URL of a store"),
    ],
)
def test_other_urls_are_refused_without_their_secrets(vsearch: Vsearch, indexed: Path, url: str, reason: str) -> None:
    result = vsearch("push", url, cwd=indexed)
    assert (result.status, result.out) == (2, "")
    assert reason in result.err
    assert "hunter2" not in re.sub(r"https://hunter2\.example\.com", "", result.err)


def test_an_error_of_the_store_shows_no_key(vsearch: Vsearch, indexed: Path) -> None:
    secrets = {"AWS_ACCESS_KEY_ID": "AKIDhunter1", "AWS_SECRET_ACCESS_KEY": "hunter2"}
    closed = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_REGION": "us-east-1"}
    refused = vsearch("pull", "s3://bucket/x", cwd=indexed, **secrets, **closed)
    assert refused.status == 2
    assert "its endpoint is not encrypted" in refused.error
    gone = vsearch("pull", "s3://bucket/x", cwd=indexed, **secrets, **closed, AWS_ALLOW_HTTP="true")
    assert gone.status == 2
    assert "the store can't be reached; check the network" in gone.error
    assert "hunter" not in refused.err + gone.err


def test_a_folder_without_snapshots_and_unknown_names(vsearch: Vsearch, indexed: Path) -> None:
    assert "no such folder" in vsearch("pull", "file:missing", cwd=indexed).error
    (indexed / "empty").mkdir()
    assert "there are no snapshots here" in vsearch("snapshots", "file:empty", cwd=indexed).error
    assert vsearch("push", "file:store", cwd=indexed).status == 0
    assert "has no snapshot 7" in vsearch("pull", "file:store", "--snapshot", "7", cwd=indexed).error
    assert "has no effect without --tag" in vsearch("snapshots", "file:store", "--snapshot", "1", cwd=indexed).error
    both = vsearch("snapshots", "file:store", "--prune", "1", "--roll-back", "1", cwd=indexed)
    assert both.status == 2
    assert "--roll-back, --prune: can't be used together" in both.error
    assert vsearch("snapshots", "file:store", "--tag", "7", cwd=indexed).status == 2
