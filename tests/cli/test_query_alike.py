"""Near-duplicates: collapsed into one hit that lists them, unless `--no-collapse` is given."""

from pathlib import Path

import pytest
from process import Vsearch, write_files

LEASE = "The lease of the mill ends in spring. " + " ".join(
    f"Clause {number} binds the tenant to keep item {number} of the mill in order." for number in range(12)
)


@pytest.fixture(scope="module")
def leases(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = {
        "lease.txt": LEASE,
        "copy/lease.txt": LEASE,
        "copy/lease edited.md": LEASE.replace("in spring", "in autumn"),
        "boat.txt": "The lease of the boat ends in June, and the tenant pays for its paint.",
        "bread.txt": "Rye bread needs time.",
    }
    folder = write_files(tmp_path_factory.mktemp("leases"), files)
    assert vsearch("index", ".", cwd=folder).status == 0
    return folder


@pytest.mark.parametrize("mode", ["hybrid", "vector", "keyword"])
def test_copies_are_one_hit_that_lists_them(vsearch: Vsearch, leases: Path, mode: str) -> None:
    every = vsearch("query", "--mode", mode, "--no-collapse", "--json", "lease tenant", cwd=leases).json
    answer = vsearch("query", "--mode", mode, "--json", "lease tenant", cwd=leases).json
    (best,) = [hit for hit in answer["hits"] if hit["alike"]]
    copies = {"lease.txt", "copy/lease.txt", "copy/lease edited.md"}
    assert {best["path"], *(twin["path"] for twin in best["alike"])} == copies
    assert list(best["alike"][0]) == ["path", "chunk", "start_line", "end_line"]
    assert answer["matched"] == every["matched"] == 5
    left = {hit["path"] for hit in answer["hits"]}
    assert [hit["path"] for hit in answer["hits"]] == [hit["path"] for hit in every["hits"] if hit["path"] in left]
    assert all(hit["alike"] == [] for hit in every["hits"])
    assert copies <= set(vsearch("query", "--paths", "clause of the lease of the mill", cwd=leases).out.splitlines())


def test_collapsed_copies_make_room_for_other_hits(vsearch: Vsearch, leases: Path) -> None:
    found = [hit["path"] for hit in vsearch("query", "-k", "2", "--json", "lease tenant", cwd=leases).json["hits"]]
    assert len(found) == 2
    assert "boat.txt" in found


def test_text_output_names_the_copies(vsearch: Vsearch, leases: Path) -> None:
    out = vsearch("query", "clause of the lease of the mill", cwd=leases).out
    (line,) = [line for line in out.splitlines() if " alike: " in line]
    assert line.startswith("    and 2 alike: ")
    assert "alike" not in vsearch("query", "--no-collapse", "clause of the lease of the mill", cwd=leases).out


def test_diversity_changes_the_order_only(vsearch: Vsearch, leases: Path) -> None:
    plain = vsearch("query", "--no-collapse", "--paths", "lease tenant mill", cwd=leases).lines
    varied = vsearch("query", "--no-collapse", "--diversity", "0.7", "--paths", "lease tenant mill", cwd=leases).lines
    assert sorted(varied) == sorted(plain)
    assert varied[0] == plain[0]
    assert "lease" not in varied[1]
    assert "lease" in plain[1]


@pytest.mark.parametrize("value", ["-0.1", "1.1", "nan"])
def test_diversity_out_of_range_is_refused(vsearch: Vsearch, leases: Path, value: str) -> None:
    assert "--diversity" in vsearch("query", "--diversity", value, "lease", cwd=leases).error


def test_many_copies_are_a_short_line_and_a_bounded_list(vsearch: Vsearch, project: Path) -> None:
    text = "The same small note about the heron by the river, copied again and again.\n"
    write_files(project, {f"n{number}.md": text for number in range(60)})
    assert vsearch("index", ".", "-q", cwd=project).status == 0
    (line,) = [line for line in vsearch("query", "heron", cwd=project).lines if " alike: " in line]
    assert line.startswith("    and 59 alike: ")
    assert line.endswith(" and 56 more")
    assert line.count(".md") == 3
    for k in ("1", "3"):
        (hit,) = vsearch("query", "heron", "-k", k, "--json", cwd=project).json["hits"]
        assert (len(hit["alike"]), hit["alike_count"]) == (20, 59)


@pytest.mark.parametrize(
    ("files", "glob", "expected"),
    [
        (("top.py", "src/a.py", "src/deep/b.py"), "**/*.py", "top.py"),
        (("src/a.py", "src/deep/b.py"), "src/**/*.py", "src/a.py"),
        (("a/b/notes.md", "b/notes.md", "notes.md"), "*.md", "notes.md"),
    ],
)
def test_of_equal_files_the_one_in_the_fewest_folders_is_the_hit(
    vsearch: Vsearch, project: Path, files: tuple[str, ...], glob: str, expected: str
) -> None:
    write_files(project, dict.fromkeys(files, "# gannet\n"))
    assert vsearch("index", ".", "-q", cwd=project).status == 0
    best = vsearch("query", "gannet", "--path", glob, "--json", cwd=project).json["hits"][0]
    assert best["path"] == expected
    assert {best["path"], *(twin["path"] for twin in best["alike"])} <= set(files)
