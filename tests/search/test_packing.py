"""Packing and context: no text twice, none that is not the file's, never over the budget."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsearch_core.lexical.analysis import Analysis
from vsearch_core.model import Chunk, Section
from vsearch_core.search.packing import (
    LEAST_TOKENS,
    Excerpt,
    estimate_tokens,
    joined_chunks,
    widened,
    with_context,
)
from vsearch_core.search.packing import pack as pack_grown
from vsearch_core.search.results import Hit
from vsearch_core.search.snippets import Snippet, best_snippet
from vsearch_core.store.catalog import StoredChunk

DOCUMENT = "\n".join(f"Line {number} says that the {number}th pump is at rest. It waits." for number in range(1, 200))
ANALYSIS = Analysis("en")


def pack(hits: list[Hit], budget: int, excerpt: Excerpt) -> list[Hit]:
    """Pack hits without context."""
    return pack_grown(((each, each) for each in hits), budget, excerpt)


def excerpt(text: str, width: int) -> Snippet:
    return best_snippet(text, {"pump": 1.0}, ANALYSIS, width)


def stored_chunk(start: int, end: int, ordinal: int = 0, path: str = "a.txt") -> StoredChunk:
    line = DOCUMENT.count("\n", 0, start) + 1
    last = DOCUMENT.count("\n", 0, end) + 1
    return StoredChunk(path, ordinal, Chunk(DOCUMENT[start:end], start, end, line, last, None, None))


def hit(of: StoredChunk, rank: int = 1) -> Hit:
    chunk = of.chunk
    place = (chunk.start_line, chunk.end_line, chunk.start_char, chunk.end_char)
    return Hit(
        rank, 1 / rank, of.path, of.ordinal, *place, None, chunk.heading, chunk.text, {}, sections=chunk.sections
    )


def chunks(*bounds: tuple[int, int]) -> list[StoredChunk]:
    return [stored_chunk(start, end, number) for number, (start, end) in enumerate(bounds)]


def sectioned(start: int, end: int, ordinal: int) -> StoredChunk:
    """Return a chunk with sections: each line of DOCUMENT is below the heading "Part N", N being its number."""
    stored = stored_chunk(start, end, ordinal)
    lines = [at for at in range(start, end) if at == start or DOCUMENT[at - 1] == "\n"]
    sections = tuple(Section(at, ("Book", f"Part {DOCUMENT.count(chr(10), 0, at) + 1}")) for at in lines)
    heading = sections[len(sections) // 2].heading
    return replace(stored, chunk=replace(stored.chunk, heading=heading, sections=sections * (len(sections) > 1)))


def assert_each_line_has_its_heading(found: Hit) -> None:
    chunk = found.as_chunk()
    for position in range(len(found.text)):
        line = DOCUMENT.count("\n", 0, found.start_char + position) + 1
        assert chunk.heading_at(position) == f"Book > Part {line}"


@pytest.mark.parametrize("bounds", [((0, 300), (250, 500)), ((0, 40), (20, 50), (30, 400)), ((0, 100), (100, 104))])
def test_joined_chunks_keep_the_headings_of_their_sections(bounds: tuple[tuple[int, int], ...]) -> None:
    run = [sectioned(start, end, number) for number, (start, end) in enumerate(bounds)]
    assert_each_line_has_its_heading(widened(hit(run[0]), run[1:]))


def test_a_shortened_hit_has_the_headings_above_what_is_left() -> None:
    whole = hit(sectioned(0, 4000, 0))
    (cut,) = pack([whole], 100, lambda text, width: best_snippet(text, {"20th": 1.0}, ANALYSIS, width))
    assert 0 < whole.text.index("20th") - cut.start_char < 40 and len(cut.text) < 1000
    assert cut.heading == "Book > Part 20" != whole.heading
    assert_each_line_has_its_heading(cut)


def test_context_is_the_text_around_a_hit_without_repeats() -> None:
    run = chunks((0, 100), (80, 210), (190, 300))
    found = with_context(hit(run[1]), run)
    assert (found.before, found.text, found.after) == (DOCUMENT[:80], DOCUMENT[80:210], DOCUMENT[210:300])


def test_the_ends_of_a_file_have_no_context() -> None:
    (alone,) = chunks((0, 100))
    assert (with_context(hit(alone), [alone]).before, with_context(hit(alone), [alone]).after) == ("", "")


def test_gaps_between_chunks_become_blanks_or_line_ends() -> None:
    first = StoredChunk("a", 0, Chunk("One.", 0, 4, 1, 1, None, None))
    second = StoredChunk("a", 1, Chunk("Two.", 7, 11, 4, 4, None, None))
    third = StoredChunk("a", 2, Chunk("Three.", 12, 18, 5, 5, None, None))
    fourth = StoredChunk("a", 3, Chunk("Four.", 19, 24, 5, 5, None, None))
    found = with_context(hit(second), [first, second, third, fourth])
    assert (found.before, found.after) == ("One.\n\n", "\nThree. Four.")


def test_a_repeated_header_stays_at_the_start() -> None:
    first = StoredChunk("a.csv", 0, Chunk("name,size\na,1\nb,2\n", 0, 18, 1, 3, None, None))
    second = StoredChunk("a.csv", 1, Chunk("name,size\nc,3\n", 18, 22, 4, 4, None, None))
    assert widened(hit(second), [first, second]).text == "name,size\na,1\nb,2\nc,3\n"


def test_overlapping_hits_become_one_at_the_rank_of_the_better() -> None:
    other = stored_chunk(900, 1000, path="b.txt")
    run = chunks((0, 100), (80, 210), (190, 300))
    found = pack([hit(run[0], 1), hit(other, 2), hit(run[2], 3), hit(run[1], 4)], 10_000, excerpt)
    assert [(each.rank, each.path, each.text) for each in found] == [
        (1, "a.txt", DOCUMENT[:300]),
        (2, "b.txt", DOCUMENT[900:1000]),
    ]
    assert (found[0].score, found[0].chunk, found[0].start_char, found[0].end_char) == (1, 0, 0, 300)
    assert (found[0].start_line, found[0].end_line) == (1, DOCUMENT.count("\n", 0, 300) + 1)


def test_a_hit_that_no_longer_fits_is_shortened_to_whole_sentences_with_their_lines() -> None:
    long = hit(stored_chunk(500, 4000))
    (found,) = pack([long], 200, excerpt)
    assert LEAST_TOKENS < estimate_tokens(found) <= 200
    assert found.text == DOCUMENT[found.start_char : found.end_char]
    assert re.fullmatch(r"(?s).*[.]", found.text)
    lines = DOCUMENT.split("\n")[found.start_line - 1 : found.end_line]
    assert lines[0].endswith(found.text.split("\n")[0])
    assert lines[-1].startswith(found.text.split("\n")[-1])


def test_a_shorter_hit_fits_where_a_longer_one_did_not() -> None:
    budget = estimate_tokens(hit(stored_chunk(0, 100))) + LEAST_TOKENS - 1
    found = pack(
        [hit(stored_chunk(0, 100)), hit(stored_chunk(500, 4000)), hit(stored_chunk(900, 960, path="b"))],
        budget,
        excerpt,
    )
    assert [each.path for each in found] == ["a.txt", "b"]


def test_a_hit_is_widened_only_if_that_fits() -> None:
    best, grown, other = hit(stored_chunk(900, 1000)), hit(stored_chunk(500, 1400)), hit(stored_chunk(3000, 3100))
    room = estimate_tokens(best) + estimate_tokens(other)
    assert pack_grown([(best, grown), (other, other)], room, excerpt) == [best, replace(other, rank=2)]
    assert pack_grown([(best, grown)], estimate_tokens(grown), excerpt) == [grown]


def test_several_hits_share_the_budget_before_one_is_long() -> None:
    long, other, third = (hit(stored_chunk(0, 4000, path=path)) for path in "abc")
    found = pack([long, other, third], 600, excerpt)
    assert [each.path for each in found] == ["a", "b", "c"]
    assert all(estimate_tokens(each) <= 300 for each in found)


def test_what_is_left_lengthens_the_best_hit() -> None:
    long, short = hit(stored_chunk(0, 4000)), hit(stored_chunk(0, 60, path="b"))
    found = pack([long, short], 600, excerpt)
    assert [each.path for each in found] == ["a.txt", "b"]
    assert sum(map(estimate_tokens, found)) > 500
    assert all(DOCUMENT[each.start_char : each.end_char] == each.text for each in found)


def test_chunks_joined_over_a_gap_join_with_the_next_without_loss() -> None:
    first = Chunk("One.", 0, 4, 1, 1, None, None)
    joined = Chunk("Two. Three. Four.", 4, 40, 1, 1, None, None)  # its text is shorter than its range
    earlier = Chunk("One. Tw", 0, 7, 1, 1, None, None)
    assert joined_chunks([first, joined]).text == "One.Two. Three. Four."
    assert joined_chunks([earlier, joined]).text == "One. Tw. Three. Four."


@pytest.mark.parametrize("budget", [1, LEAST_TOKENS - 1])
def test_a_budget_too_small_for_a_sentence_holds_nothing(budget: int) -> None:
    assert pack([hit(stored_chunk(500, 4000))], budget, excerpt) == []


spans = st.tuples(st.integers(0, 5000), st.integers(20, 900)).map(lambda drawn: (drawn[0], drawn[0] + drawn[1]))


@given(st.lists(st.tuples(spans, st.sampled_from("ab")), max_size=12), st.integers(50, 2000))
def test_packed_hits_are_disjoint_pieces_of_the_file_within_the_budget(
    drawn: list[tuple[tuple[int, int], str]], budget: int
) -> None:
    hits = [hit(stored_chunk(*span, ordinal, path), ordinal + 1) for ordinal, (span, path) in enumerate(drawn)]
    found = pack(hits, budget, excerpt)
    assert sum(map(estimate_tokens, found)) <= budget
    assert [each.rank for each in found] == list(range(1, len(found) + 1))
    for each in found:
        assert each.text == DOCUMENT[each.start_char : each.end_char]
    for path in "ab":
        ranges = sorted((each.start_char, each.end_char) for each in found if each.path == path)
        assert all(former[1] < latter[0] for former, latter in pairwise(ranges))
    everything = pack(hits, 100_000, excerpt)
    covered = {(each.path, place) for each in everything for place in range(each.start_char, each.end_char)}
    assert covered == {(each.path, place) for each in hits for place in range(each.start_char, each.end_char)}
