"""The filter options of `vsearch query`."""

import os
from pathlib import Path
from typing import Literal
from unicodedata import normalize

import pytest
from process import Vsearch, write_files


@pytest.fixture(scope="session")
def everything(vsearch: Vsearch, library: Path) -> set[str]:
    return paths(vsearch, library)


def paths(vsearch: Vsearch, library: Path, *options: str) -> set[str]:
    """Return all files that pass the filter: mode vector returns every chunk that it allows."""
    command = ("query", "-k", "100", "--mode", "vector", "--json", "pump", *options)
    return {hit["path"] for hit in vsearch(*command, cwd=library).json["hits"]}


def test_a_vector_query_without_filters_reaches_every_file(everything: set[str]) -> None:
    assert len(everything) == 9


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("ext = 'py'", {"code/client.py"}),
        ("name = 'page.html'", {"page.html"}),
        ("dir = 'notes'", {"notes/pump.md", "notes/retries.md"}),
        ("path LIKE 'notes/deep/%'", {"notes/deep/er/bread.txt"}),
        ("title = 'Tool library'", {"page.html"}),
        ("priority >= 3", {"notes/pump.md"}),
        ("meta->>'priority' = 3", {"notes/pump.md"}),
        ("tags LIKE '%water%'", {"notes/pump.md"}),
        ("mtime < '2021'", {"notes/retries.md"}),
        ("ext = 'md' AND NOT name = 'pump.md' -- a comment", {"notes/retries.md", "中文.md"}),
        ("ext = 'html' OR ext = 'py'", {"page.html", "code/client.py"}),
        ("'water' IN (SELECT value FROM json_each(meta, '$.tags'))", {"notes/pump.md"}),
    ],
)
def test_where_is_an_expression_over_the_files(
    vsearch: Vsearch, library: Path, condition: str, expected: set[str]
) -> None:
    assert paths(vsearch, library, "--where", condition) == expected


def test_matched_counts_allowed_chunks_and_searched_counts_all(vsearch: Vsearch, library: Path) -> None:
    answer = vsearch("query", "--json", "--ext", "py", "pump", cwd=library).json
    assert (answer["matched"], answer["searched"] > 8) == (1, True)


@pytest.mark.parametrize(
    "condition",
    [
        "",
        "ext =",
        "no_such_column = 1",
        "ext = 'md'; DROP TABLE files",
        "1); DELETE FROM files; --",
        "DELETE FROM files",
        "UPDATE files SET live = 0",
        "id IN (SELECT chunk_id FROM staged)",
        "(SELECT count(*) FROM chunks) > 0",
        "(SELECT count(*) FROM sqlite_master) > 0",
        "(SELECT value FROM settings LIMIT 1) IS NOT NULL",
        "1) UNION SELECT id FROM files WHERE (1",
        "load_extension('x')",
        "EXISTS (SELECT 1 FROM pragma_table_info('files'))",
        "ATTACH DATABASE 'x' AS y",
        "randomblob(1000000000) IS NOT NULL",
        "((((",
    ],
)
def test_a_where_that_is_not_a_read_only_condition_is_refused(vsearch: Vsearch, library: Path, condition: str) -> None:
    assert vsearch("query", "--where", condition, "pump", cwd=library).error.startswith("--where")


def test_where_cannot_undo_other_filters(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "--ext", "py", "--where", "1) OR (1", "pump", cwd=library)
    assert result.error.startswith("--where")


def test_refused_statements_change_nothing(vsearch: Vsearch, library: Path, everything: set[str]) -> None:
    for condition in ("1); DELETE FROM files; --", "1); DROP TABLE files; --"):
        vsearch("query", "--where", condition, "pump", cwd=library)
    assert paths(vsearch, library) == everything


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("notes/pump.md", {"notes/pump.md"}),
        ("*.py", {"code/client.py"}),
        ("notes", {"notes/pump.md", "notes/retries.md", "notes/deep/er/bread.txt"}),
        ("./notes/", {"notes/pump.md", "notes/retries.md", "notes/deep/er/bread.txt"}),
        ("*.pdf", {"annual report.pdf"}),
        ("中*", {"中文.md"}),
    ],
)
def test_path_is_a_glob(vsearch: Vsearch, library: Path, glob: str, expected: set[str]) -> None:
    assert paths(vsearch, library, "--path", glob) == expected


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        (("notes/*.md", "code"), {"notes/pump.md", "notes/retries.md", "code/client.py"}),
        (("notes", "!notes/deep", "!retries.*"), {"notes/pump.md"}),
        (("**/*.{py,html}",), {"page.html", "code/client.py"}),
    ],
)
def test_globs_given_twice_are_alternatives_and_exceptions(
    vsearch: Vsearch, library: Path, globs: tuple[str, ...], expected: set[str]
) -> None:
    assert paths(vsearch, library, *(word for glob in globs for word in ("--path", glob))) == expected


def test_globs_are_relative_to_the_working_folder_too(vsearch: Vsearch, library: Path) -> None:
    for glob in ("deep/*", "../notes/deep/er/*", str(library / "notes" / "deep"), "notes/deep"):
        result = vsearch("query", "pump", "--mode", "vector", "--paths", "--path", glob, cwd=library / "notes")
        assert result.lines == ["deep/er/bread.txt"]


@pytest.mark.parametrize("glob", ["", "!", "/", "[", "notes/[a", "x\\"])
def test_a_path_that_is_no_glob_is_refused(vsearch: Vsearch, library: Path, glob: str) -> None:
    assert f"--path: {glob!r} is not a glob" in vsearch("query", "pump", "--path", glob, cwd=library).error


def test_conditions_given_twice_must_both_hold(vsearch: Vsearch, library: Path) -> None:
    conditions = ("--where", "ext = 'md' OR ext = 'py'", "--where", "dir = 'notes'")
    assert paths(vsearch, library, *conditions) == {"notes/pump.md", "notes/retries.md"}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("stored", ["NFC", "NFD"])
def test_the_composition_of_names_does_not_matter(
    vsearch: Vsearch, project: Path, form: Literal["NFC", "NFD"], stored: Literal["NFC", "NFD"]
) -> None:
    typed, name = (normalize(each, "Maßgröße") for each in (form, stored))
    write_files(
        project, {f"{normalize(stored, 'Böden')}/{name}.md": "The size of the hatch.\n", "b.md": "The hatch.\n"}
    )
    assert vsearch("index", ".", "-q", cwd=project).status == 0
    for filters in (("--path", f"**/{typed}*"), ("--where", f"name LIKE '{typed}%'")):
        found = vsearch("query", "hatch", "--paths", *filters, cwd=project)
        assert [normalize("NFC", line) for line in found.lines] == ["Böden/Maßgröße.md"]
    folder = normalize(form, "Böden")
    assert vsearch("similar", f"{folder}/{typed}.md", cwd=project).status == 0
    assert vsearch("read", f"{folder}/{typed}.md", cwd=project).status == 0
    assert vsearch("remove", folder, "-q", cwd=project).status == 0
    assert vsearch("query", "hatch", "--paths", cwd=project).lines == ["b.md"]


@pytest.mark.parametrize("listed", ["py,html", ".py,.html", "PY, HTML"])
def test_ext_is_a_list(vsearch: Vsearch, library: Path, listed: str) -> None:
    assert paths(vsearch, library, "--ext", listed) == {"code/client.py", "page.html"}


def test_until_keeps_old_files(vsearch: Vsearch, library: Path) -> None:
    assert paths(vsearch, library, "--until", "2020-06-30") == {"notes/retries.md"}


def test_until_includes_its_day(vsearch: Vsearch, library: Path) -> None:
    assert paths(vsearch, library, "--until", "2020-01-01") == {"notes/retries.md"}


def test_since_includes_its_day(vsearch: Vsearch, library: Path, everything: set[str]) -> None:
    assert paths(vsearch, library, "--since", "2020-01-01") == everything


@pytest.mark.parametrize("moment", ["2020-01-01T12:01", "2020-01-02", "30d"])
def test_since_leaves_out_older_files(vsearch: Vsearch, library: Path, everything: set[str], moment: str) -> None:
    assert paths(vsearch, library, "--since", moment) == everything - {"notes/retries.md"}


@pytest.mark.parametrize("option", ["--since", "--until"])
@pytest.mark.parametrize("moment", ["yesteryear", "2026-13-01", "", "99999999999999d"])
def test_an_invalid_date_is_an_error(vsearch: Vsearch, library: Path, option: str, moment: str) -> None:
    assert "neither a date nor an age" in vsearch("query", option, moment, "pump", cwd=library).error


def test_min_score_leaves_lower_hits_out(vsearch: Vsearch, library: Path) -> None:
    scores = [hit["score"] for hit in vsearch("query", "--json", "pump", cwd=library).json["hits"]]
    threshold = (scores[0] + scores[1]) / 2
    kept = vsearch("query", "--json", "--min-score", str(threshold), "pump", cwd=library).json["hits"]
    assert [hit["score"] for hit in kept] == scores[:1]


def test_group_by_file_shows_each_file_once(vsearch: Vsearch, project: Path) -> None:
    long = "\n\n".join(f"Paragraph {number} about the pump and its valve." for number in range(40))
    write_files(project, {"long.txt": long, "other.txt": "A word on bread."})
    assert vsearch("index", "--chunk-words", "20", ".", cwd=project).status == 0
    plain = vsearch("query", "-k", "5", "--json", "pump valve", cwd=project).json["hits"]
    grouped = vsearch("query", "-k", "5", "--json", "--group-by", "file", "pump valve", cwd=project).json["hits"]
    assert {hit["path"] for hit in plain} == {"long.txt"}
    assert [hit["path"] for hit in grouped] == ["long.txt", "other.txt"]
    assert grouped[0] == plain[0]


def test_group_by_file_alone_reaches_files_beyond_the_candidates(vsearch: Vsearch, project: Path) -> None:
    sentence = "The pump of number {} runs day and night, and whoever hears it stop has to call the miller at once."
    write_files(project, {"long.txt": "\n\n".join(sentence.format(number) for number in range(200))})
    write_files(project, {f"{number}.txt": f"Bread {number}." for number in range(5)})
    assert vsearch("index", "--chunk-words", "20", "--overlap-words", "0", ".", cwd=project).status == 0
    result = vsearch("query", "--paths", "--group-by", "file", "pump", cwd=project)
    assert len(result.lines) == 6


def test_dates_are_local_time(vsearch: Vsearch, indexed: Path) -> None:
    os.utime(indexed / "pump.txt", (1_577_836_800, 1_577_836_800))  # 2020-01-01T00:00 UTC, the evening before in Lima
    assert vsearch("index", cwd=indexed).status == 0
    result = vsearch("query", "--paths", "--until", "2019-12-31", "pump", cwd=indexed, TZ="America/Lima")
    assert result.out == "pump.txt\n"
    assert vsearch("query", "--paths", "--until", "2019-12-31", "pump", cwd=indexed, TZ="UTC").status == 1


UNTIDY = {
    "new.md": "---\nyear: 2026\ndate: 3 March 2026\n---\nThe ferry leaves at noon.\n",
    "old.md": "---\nyear: '2019'\ndate: 2019-05-02\n---\nThe ferry is late.\n",
    "none.md": "---\nyear: soon\n---\nNo ferry today.\n",
}


@pytest.fixture(scope="module")
def untidy(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_files(tmp_path_factory.mktemp("untidy"), UNTIDY)
    assert vsearch("index", ".", cwd=folder).status == 0
    os.utime(folder / "old.md", (1_577_880_000, 1_577_880_000))
    assert vsearch("index", ".", cwd=folder).status == 0
    return folder


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--where", "year > 2020"), {"new.md"}),
        (("--where", "year <= '2020'"), {"old.md"}),
        (("--where", "date >= '2026-03'"), {"new.md"}),
        (("--since", "today"), {"new.md", "none.md"}),
        (("--since", "3w"), {"new.md", "none.md"}),
        (("--since", "2020-01", "--until", "2020"), {"old.md"}),
        (("--until", "1y"), {"old.md"}),
    ],
)
def test_untidy_dates_and_numbers_compare_as_people_mean(
    vsearch: Vsearch, untidy: Path, options: tuple[str, ...], expected: set[str]
) -> None:
    assert paths(vsearch, untidy, *options) == expected


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--where", "date > 2026-03-01"), "put a date in quotes"),
        (("--where", "date > '4/5/2026'"), "write dates as 2026-03-01"),
        (("--since", "sometime"), "write it like 2026-01-31"),
    ],
)
def test_a_date_that_would_mislead_is_refused(
    vsearch: Vsearch, untidy: Path, options: tuple[str, ...], told: str
) -> None:
    assert told in vsearch("query", "ferry", *options, cwd=untidy).error
