"""Several processes at once: one writer and any number of readers, which do not block one another."""

import re
from pathlib import Path

from process import Vsearch, assert_well_behaved, hit_keys, wait_for, wait_until, write_files

from .conftest import OPTIONS, QUERIES, Workload


def test_a_second_writer_is_refused_and_the_first_is_not_disturbed(
    vsearch: Vsearch, work: Workload, tmp_path: Path
) -> None:
    first = vsearch.start("index", "--json", *OPTIONS, work.documents, work.documents / "00.txt", cwd=tmp_path)
    wait_until((tmp_path / ".vsearch" / "catalog.sqlite").exists, "the first writer's catalog")
    # This is more work than the second writer waits for.
    second = vsearch.start("index", *OPTIONS, work.documents, cwd=tmp_path)
    outcomes = [assert_well_behaved(wait_for(process)) for process in (second, first)]
    assert outcomes[1].status == 0, outcomes
    assert outcomes[1].json["chunks"] == work.chunks
    # It may have waited long enough to find the work done; it must not interfere, or fail without a message.
    if outcomes[0].status:
        assert re.fullmatch(
            rf"{re.escape(str(tmp_path))}/\.vsearch: another vsearch is writing to this index"
            rf" \(process {first.pid} on \S+, since [-:\d ]+\); wait until that process ends, or stop it,"
            " then run this command again",
            outcomes[0].error,
        )


def test_an_update_waits_for_a_writer_that_does_not_end_and_says_so(vsearch: Vsearch, tmp_path: Path) -> None:
    from filelock import FileLock

    write_files(tmp_path, {"a.txt": "The pump."})
    assert vsearch("index", ".", cwd=tmp_path).status == 0
    (tmp_path / "b.txt").write_text("The pump's valve.")
    with FileLock(tmp_path / ".vsearch" / "writer.lock"):
        waiting = vsearch.start("index", ".", cwd=tmp_path)
        assert waiting.stderr is not None
        assert b"another vsearch is writing to this index; waiting until it ends" in waiting.stderr.readline()
        assert vsearch("query", "--paths", "pump", cwd=tmp_path).out == "a.txt\n"
        assert waiting.poll() is None
    output, _ = waiting.communicate(timeout=60)
    assert (waiting.returncode, b"2 files" in output) == (0, True), output


def test_a_leftover_lock_file_is_not_a_lock(vsearch: Vsearch, tmp_path: Path) -> None:
    write_files(tmp_path, {"a.txt": "The pump.", ".vsearch/writer.lock": "4711"})
    assert vsearch("index", ".", cwd=tmp_path).status == 0


def test_readers_always_get_results_of_one_generation(vsearch: Vsearch, work: Workload, tmp_path: Path) -> None:
    """The documents are edited and indexed repeatedly; all hits of a search must be of one edition."""
    documents = {f"{number}.txt": "pump edition zero\n" for number in range(8)}
    write_files(tmp_path / "documents", documents)
    assert vsearch("index", "-q", "documents", cwd=tmp_path).status == 0
    seen: set[int] = set()
    for edition in ("one", "two", "three", "four"):
        for name in documents:
            (tmp_path / "documents" / name).write_text(f"pump edition {edition} {'again ' * len(edition)}\n")
        writer = vsearch.start("index", "-q", cwd=tmp_path)
        while writer.poll() is None:
            result = vsearch("query", "--mode", "keyword", "--no-collapse", "--json", "pump", cwd=tmp_path)
            assert result.status == 0, result
            texts = {hit["text"] for hit in result.json["hits"]}
            assert len(result.json["hits"]) == 8
            assert len(texts) == 1, "hits of two generations"
            seen.add(result.json["generation"])
        assert assert_well_behaved(wait_for(writer)).status == 0
    assert len(seen) > 1


def test_readers_get_results_during_the_first_run(vsearch: Vsearch, work: Workload, tmp_path: Path) -> None:
    writer = vsearch.start("index", "-q", *OPTIONS, work.documents, cwd=tmp_path)
    wait_until((tmp_path / ".vsearch" / "catalog.sqlite").exists, "the catalog")
    while writer.poll() is None:
        result = vsearch("query", "--mode", "keyword", "-", cwd=tmp_path, stdin="\n".join(QUERIES))
        assert result.status in {0, 1}, result
        assert len(hit_keys(result.json_lines)) == len(QUERIES)
    assert assert_well_behaved(wait_for(writer)).status == 0
