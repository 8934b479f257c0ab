"""`--context` and `--max-tokens`: text around a hit, and a budget for all hits."""

from pathlib import Path

import pytest
from process import Vsearch, write_files

STORY = "\n\n".join(f"Paragraph {number} tells what the {'heron' if number == 20 else 'crow'} saw at the weir on day "
                    f"{number}, which was a grey day." for number in range(1, 41))  # fmt: skip


@pytest.fixture(scope="module")
def story(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_files(tmp_path_factory.mktemp("story"), {"story.txt": STORY, "other.txt": "A loaf of rye bread."})
    assert vsearch("index", "--chunk-words", "60", "--overlap-words", "20", ".", cwd=folder).status == 0
    return folder


def test_context_is_the_files_text_around_the_hit(vsearch: Vsearch, story: Path) -> None:
    (hit,) = vsearch("query", "-k", "1", "--context", "1", "--json", "heron", cwd=story).json["hits"]
    assert hit["text"] == STORY[hit["start_char"] : hit["end_char"]]
    assert hit["before"] and STORY[: hit["start_char"]].endswith(hit["before"])
    assert hit["after"] and STORY[hit["end_char"] :].startswith(hit["after"])


def test_without_context_its_keys_are_null(vsearch: Vsearch, story: Path) -> None:
    answer = vsearch("query", "-k", "1", "--json", "heron", cwd=story).json
    assert (answer["hits"][0]["before"], answer["hits"][0]["after"], answer["tokens"]) == (None, None, None)


def test_context_is_printed_with_its_hit_as_one_text(vsearch: Vsearch, story: Path) -> None:
    out = vsearch("query", "-k", "1", "--context", "100", "heron", cwd=story).out
    assert [line.strip() for line in out.split("\n")[1:] if line.strip()] == STORY.split("\n\n")


@pytest.mark.parametrize("budget", [100, 400, 5000])
def test_a_token_budget_is_kept_without_repeated_text(vsearch: Vsearch, story: Path, budget: int) -> None:
    answer = vsearch("query", "--max-tokens", str(budget), "--json", "the weir", cwd=story).json
    assert 0 < answer["tokens"] <= budget
    text = "\n\n".join(hit["text"] for hit in answer["hits"] if hit["path"] == "story.txt")
    assert text.count("Paragraph 20 ") <= 1
    if budget == 5000:
        assert text == STORY
        assert {hit["path"] for hit in answer["hits"]} == {"story.txt", "other.txt"}


def test_k_limits_the_hits_within_a_budget(vsearch: Vsearch, story: Path) -> None:
    answer = vsearch("query", "-k", "1", "--max-tokens", "5000", "--json", "heron", cwd=story).json
    assert len(answer["hits"]) == 1


def test_a_budget_shows_whole_chunks_and_their_size(vsearch: Vsearch, story: Path) -> None:
    out = vsearch("query", "--max-tokens", "5000", "--explain", "heron", cwd=story).out
    assert all(paragraph in out for paragraph in STORY.split("\n\n"))
    assert "\npacked into about " in out


@pytest.mark.parametrize("options", [("--context", "-1"), ("--max-tokens", "10")])
def test_sizes_out_of_range_are_refused(vsearch: Vsearch, story: Path, options: tuple[str, str]) -> None:
    assert "Invalid value" in vsearch("query", *options, "heron", cwd=story).error
