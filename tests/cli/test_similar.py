"""`vsearch similar`, and queries with examples."""

from pathlib import Path

import pytest
from process import Vsearch, write_files

FILES = {
    "pump.txt": "The water pump of the mill needs grease before winter.\n",
    "well.txt": "The hand pump at the well must be greased and drained when frost comes.\n",
    "bread.txt": "Rye bread with caraway is baked in a hot oven.\n",
    "cake.md": "# Cake\n\nA cake of butter and sugar is baked slowly in the oven.\n",
    "with:7": "Wild geese fly over the marsh in autumn.\n",
}
SMALL = ("--where", "dir = ''")  # without the long file
LONG = "\n\n".join(["The hand pump draws water from the deep well."] * 9 + ["Bread is baked in the oven."] * 9)


@pytest.fixture(scope="module")
def mill(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_files(tmp_path_factory.mktemp("mill"), {**FILES, "sub/long.txt": LONG})
    assert vsearch("index", "--chunk-words", "60", ".", cwd=folder).status == 0
    return folder


def paths(vsearch: Vsearch, folder: Path, *arguments: str) -> list[str]:
    return vsearch(*arguments, "--paths", cwd=folder).lines


def test_similar_finds_other_files_than_the_example(vsearch: Vsearch, mill: Path) -> None:
    found = paths(vsearch, mill, "similar", "pump.txt")
    assert set(found[:2]) == {"well.txt", "sub/long.txt"}
    assert "pump.txt" not in found
    assert paths(vsearch, mill, "similar", "bread.txt")[0] in {"cake.md", "sub/long.txt"}


def test_a_line_selects_the_example_chunk(vsearch: Vsearch, mill: Path) -> None:
    assert paths(vsearch, mill, "similar", "sub/long.txt:1", *SMALL)[0] in {"well.txt", "pump.txt"}
    last = vsearch("similar", "sub/long.txt:35", "--json", *SMALL, cwd=mill).json
    assert last["hits"][0]["path"] in {"bread.txt", "cake.md"}
    assert last["query"] == "sub/long.txt:35"
    assert vsearch("similar", "./pump.txt", "--json", cwd=mill).json["query"] == "./pump.txt"  # as it was typed


def test_the_output_has_the_format_of_a_query(vsearch: Vsearch, mill: Path) -> None:
    answer = vsearch("similar", "pump.txt", "--json", "--ext", "txt", cwd=mill).json
    query = vsearch("query", "pump", "--json", "--ext", "txt", cwd=mill).json
    assert list(answer) == list(query)
    assert (answer["schema"], answer["mode"]) == ("vsearch.results/1", "vector")
    assert answer["matched"] == query["matched"]
    assert list(answer["hits"][0]) == list(query["hits"][0])
    assert vsearch("similar", "pump.txt", cwd=mill).out.startswith(("well.txt:1  ", "sub/long.txt:"))


def test_names_are_relative_to_the_working_folder_or_the_root(vsearch: Vsearch, mill: Path) -> None:
    at_root = vsearch("similar", "sub/long.txt:1", "--json", cwd=mill).json["hits"]
    below = vsearch("similar", "long.txt:1", "--json", cwd=mill / "sub").json["hits"]
    stored = vsearch("similar", "sub/long.txt:1", "--json", cwd=mill / "sub").json["hits"]
    assert at_root == below == stored


def test_a_file_name_that_ends_like_a_line_number_is_a_file_name(vsearch: Vsearch, mill: Path) -> None:
    assert "with:7" not in paths(vsearch, mill, "similar", "with:7")
    assert "with:7" not in paths(vsearch, mill, "similar", "with:7:1")


def test_a_file_that_is_not_indexed_is_embedded(vsearch: Vsearch, mill: Path, tmp_path: Path) -> None:
    outside = write_files(tmp_path, {"new.md": "# Loaf\n\nBake the rye bread in the oven.\n"}) / "new.md"
    assert paths(vsearch, mill, "similar", str(outside))[0] in {"bread.txt", "cake.md", "sub/long.txt"}
    assert paths(vsearch, mill, "similar", f"{outside}:3")[0] in {"bread.txt", "cake.md", "sub/long.txt"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nothing.txt", "neither in the index nor a file"),
        ("pump.txt:99", "no chunk contains line 99"),
        ("sub", "neither in the index nor a file"),
        ("", "neither in the index nor a file"),
        ("long" * 100, "neither in the index nor a file"),
    ],
)
def test_an_invalid_example_is_an_error(vsearch: Vsearch, mill: Path, name: str, reason: str) -> None:
    assert reason in vsearch("similar", name, cwd=mill).error
    assert reason in vsearch("query", "pump", "--more-like", name, cwd=mill).error


def test_an_unreadable_file_is_named_as_typed(vsearch: Vsearch, mill: Path) -> None:
    write_files(mill, {"sub/broken.pdf": b"%PDF-1.7 and no more"})
    assert vsearch("similar", "sub/broken.pdf", cwd=mill).error.startswith("sub/broken.pdf: is not a readable PDF (")


def test_no_hit_is_status_1(vsearch: Vsearch, mill: Path) -> None:
    result = vsearch("similar", "pump.txt", "--ext", "nope", cwd=mill)
    assert (result.status, result.out) == (1, "")


@pytest.mark.parametrize("mode", ["hybrid", "vector", "keyword"])
def test_examples_change_the_ranking_of_a_query(vsearch: Vsearch, mill: Path, mode: str) -> None:
    query = ("query", "oven or pump", "--mode", mode, *SMALL)
    pumps = paths(vsearch, mill, *query, "--more-like", "pump.txt")
    assert "pump.txt" not in pumps
    assert pumps[0] == "well.txt"
    cakes = paths(vsearch, mill, *query, "--more-like", "cake.md", "--less-like", "pump.txt")
    assert not {"cake.md", "pump.txt"} & set(cakes)
    assert cakes[0] == "bread.txt"


def test_examples_can_replace_the_query(vsearch: Vsearch, mill: Path) -> None:
    found = vsearch(
        "query", "--more-like", "pump.txt", "--more-like", "sub/long.txt:1", "--json", *SMALL, cwd=mill
    ).json
    assert (found["query"], found["mode"]) == ("", "hybrid")
    assert found["hits"][0]["path"] == "well.txt"
    assert found["hits"][0]["scores"]["keyword"] > 0
    assert "query: it is empty" in vsearch("query", "--less-like", "pump.txt", cwd=mill).error


def test_examples_apply_to_each_query_of_a_batch(vsearch: Vsearch, mill: Path) -> None:
    answers = vsearch("query", "-", "--more-like", "pump.txt", cwd=mill, stdin="grease\noven\n").json_lines
    assert [answer["query"] for answer in answers] == ["grease", "oven"]
    assert all("pump.txt" not in {hit["path"] for hit in answer["hits"]} for answer in answers)
