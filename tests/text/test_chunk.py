"""Invariants of the chunker on random documents, and its choice of boundaries on small ones."""

import itertools
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_documents import OPTIONS, documents

from vsearch_core.errors import ArgumentError
from vsearch_core.model import Chunk, Document, Span
from vsearch_core.text.chunk import ChunkOptions, count_words, split
from vsearch_core.text.word_starts import MAX_RUN, WORD

SMALL = ChunkOptions(words=20, overlap=5)


def headings_by_rule(document: Document, start: int, end: int) -> str | None:
    """Return the longest trail of headings over more than half of the words, or else the trail over most words."""
    trails: Counter[tuple[str, ...]] = Counter()
    for span in document.spans:
        inside = [match.start() for match in WORD.finditer(document.text, start, end)]
        words = sum(span.start <= place < span.end for place in inside)
        if words:
            trails[span.heading] += words
    prefixes = {trail[:depth] for trail in trails for depth in range(1, len(trail) + 1)}
    over = {
        prefix: sum(words for trail, words in trails.items() if trail[: len(prefix)] == prefix) for prefix in prefixes
    }
    most = [prefix for prefix, words in over.items() if 2 * words > trails.total()]
    by_length = sorted((len(prefix), prefix) for prefix in most)
    return " > ".join(by_length[-1][1] if by_length else trails.most_common(1)[0][0]) or None


def heading_above(document: Document, place: int) -> str | None:
    """Return the heading of the span that has this character."""
    return " > ".join(next(span for span in document.spans if span.start <= place < span.end).heading) or None


def word_starts(document: Document, chunk: Chunk) -> list[int]:
    return [match.start() for match in WORD.finditer(document.text, chunk.start_char, chunk.end_char)]


@settings(deadline=None, max_examples=200)
@given(documents(), OPTIONS)
def test_invariants_of_any_document(document: Document, options: ChunkOptions) -> None:
    chunks = split(document, options)
    assert chunks == split(document, options)
    text = document.text
    covered: set[int] = set()
    starts = [chunk.start_char for chunk in chunks]
    assert all(before < after for before, after in itertools.pairwise(starts))
    for chunk in chunks:
        piece = text[chunk.start_char : chunk.end_char]
        assert piece == piece.strip() != ""
        assert count_words(piece) <= options.limit
        covered.update(range(chunk.start_char, chunk.end_char))
        first_line = text.count("\n", 0, chunk.start_char) + 1
        last_line = text.count("\n", 0, chunk.end_char) + 1
        shift = 9 if document.lines else 0
        assert (chunk.start_line, chunk.end_line) == (first_line + shift, last_line + shift)
        span = next(span for span in document.spans if span.start <= chunk.start_char < span.end)
        assert chunk.page == span.page
        assert chunk.heading == headings_by_rule(document, chunk.start_char, chunk.end_char)
        places = word_starts(document, chunk)
        above = [heading_above(document, place) for place in places]
        assert [chunk.heading_at(chunk.header_length + place - chunk.start_char) for place in places] == above
        assert len(chunk.sections) != 1 and bool(chunk.sections) == (len(set(above)) > 1)
        repeated = span.header and chunk.start_char > span.start and text[span.start : chunk.start_char].strip() != ""
        assert chunk.text == (f"{span.header}\n{piece}" if repeated else piece)
    for span in document.spans:
        assert all(place in covered for place in range(span.start, span.end) if not text[place].isspace())
    inside = {place for span in document.spans for place in range(span.start, span.end)}
    assert covered <= inside


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.one_of(st.text("abc.,!?\"'", min_size=1, max_size=MAX_RUN), st.sampled_from([" ", "\n", "\n\n"]))),
    OPTIONS,
)
def test_never_cuts_inside_a_word(pieces: list[str], options: ChunkOptions) -> None:
    text = " ".join(pieces)
    for chunk in split(Document(text, (Span(0, len(text)),)), options):
        assert chunk.start_char == 0 or text[chunk.start_char - 1].isspace()
        assert chunk.end_char == len(text) or text[chunk.end_char].isspace()


def plain(text: str) -> Document:
    return Document(text, (Span(0, len(text)),))


def words(count: int, word: str = "word") -> str:
    return " ".join([word] * count)


def test_a_text_below_the_limit_is_one_chunk() -> None:
    text = words(SMALL.limit)
    assert [chunk.text for chunk in split(plain(text), SMALL)] == [text]
    assert len(split(plain(text + " word"), SMALL)) == 2


def test_an_empty_document_has_no_chunks() -> None:
    assert split(Document("", ()), SMALL) == []
    assert split(plain(" \n\t "), SMALL) == []


@pytest.mark.parametrize(
    ("mark", "weaker"),
    [("\n\n", ". "), (". ", "\n"), ("\n", " ")],
    ids=["paragraph before sentence", "sentence before line", "line before word"],
)
def test_a_paragraph_is_preferred_to_a_sentence(mark: str, weaker: str) -> None:
    text = words(17) + mark + words(3) + weaker + words(20)
    first = split(plain(text), SMALL)[0]
    assert first.text == (words(17) + mark).rstrip()


def test_nearer_of_two_equal_boundaries_wins() -> None:
    text = words(16) + ". " + words(3) + ". " + words(3) + ". " + words(20)
    assert count_words(split(plain(text), SMALL)[0].text) == 19


@pytest.mark.parametrize("end", [".", "!”", "?)", "…"])
def test_sentence_ends(end: str) -> None:
    assert split(plain(words(18) + end + " " + words(20)), SMALL)[0].text.endswith("word" + end)


def test_dot_within_a_token_ends_no_sentence() -> None:
    text = words(17) + " 2026.4.10 foo.bar " + words(20)
    assert split(plain(text), SMALL)[0].text == words(17) + " 2026.4.10 foo.bar word"


def test_cjk_is_cut_at_its_sentences() -> None:
    chunks = split(plain("日本語の文章です。" * 12), ChunkOptions(words=40, overlap=0))
    assert len(chunks) == 3
    assert all(chunk.text.endswith("。") and chunk.text.startswith("日") for chunk in chunks)


def test_marks_stay_with_their_letter() -> None:
    text = "ก\u0e34" * 60
    assert all(not chunk.text.startswith("\u0e34") for chunk in split(plain(text), SMALL))
    assert count_words(text) == 60


def test_endless_run_is_cut_at_its_pieces() -> None:
    text = "x" * (MAX_RUN * 50)
    chunks = split(plain(text), ChunkOptions(words=20, overlap=0))
    assert "".join(chunk.text for chunk in chunks) == text
    assert {len(chunk.text) for chunk in chunks} <= {2000, 1000}


def sections(*sizes: int) -> Document:
    text, spans = "", []
    for number, size in enumerate(sizes):
        start = len(text)
        text += words(size, f"s{number}") + "\n"
        spans.append(Span(start, len(text), ("Doc", f"Section {number}")))
    return Document(text, tuple(spans))


def test_heading_starts_a_chunk_once_the_current_one_is_big_enough() -> None:
    document = sections(8, 30)
    chunks = split(document, SMALL)
    assert chunks[0].text == words(8, "s0")
    assert chunks[1].text.startswith("s1") and chunks[1].heading == "Doc > Section 1"


def test_a_chunk_is_under_the_heading_above_most_of_it() -> None:
    text, spans = "", []
    for heading, size in [(("Doc",), 1), (("Doc", "Intro"), 3), (("Doc", "Care"), 20)]:
        spans.append(Span(len(text), len(text) + len(words(size, "w")) + 1, heading))
        text += words(size, "w") + "\n"
    (chunk,) = split(Document(text, tuple(spans)), ChunkOptions(words=40, overlap=0))
    assert chunk.heading == "Doc > Care"
    many = sections(6, 6, 6, 6, 6)  # none of them has most of the words
    assert [chunk.heading for chunk in split(many, ChunkOptions(words=100, overlap=0))] == ["Doc"]


def test_a_heading_inside_a_word_begins_no_section() -> None:
    spans = (Span(0, 1, ()), Span(1, 2, ("A",)), Span(2, 14, ()))
    (chunk,) = split(Document("wordwordword word", spans), ChunkOptions(words=20, overlap=0))
    assert (chunk.heading, chunk.sections) == (None, ())


def test_heading_does_not_end_a_chunk_that_is_too_small() -> None:
    assert "s1" in split(sections(7, 30), SMALL)[0].text


def test_no_overlap_at_a_heading() -> None:
    first, second = split(sections(20, 20), SMALL)
    assert "s1" not in first.text and "s0" not in second.text


def test_tiny_last_section_joins_the_one_before() -> None:
    assert len(split(sections(15, 3), SMALL)) == 1


def test_no_tiny_tail() -> None:
    for total in range(SMALL.limit + 1, 120):
        last = split(plain(words(total)), ChunkOptions(words=20, overlap=0))[-1]
        assert count_words(last.text) >= 4


def test_overlap_is_near_its_target() -> None:
    first, second, *_ = split(plain(words(40)), SMALL)
    shared = first.text[second.start_char - first.start_char :]
    assert count_words(shared) == 5


def test_overlap_begins_at_a_sentence_if_one_is_near() -> None:
    text = words(13) + ". Second " + words(6) + ". " + words(20)
    assert split(plain(text), SMALL)[1].text.startswith("Second")


def test_gap_ends_a_chunk() -> None:
    document = Document("one two --- three", (Span(0, 7), Span(12, 17)))
    assert [chunk.text for chunk in split(document, SMALL)] == ["one two", "three"]


def test_a_new_page_starts_a_chunk_when_the_current_one_is_big_enough() -> None:
    pages = ["word " * 15 + "\n\n", "word " * 30 + "\n\n", "word " * 30 + "\n\n"]
    ends = [sum(map(len, pages[: i + 1])) for i in range(3)]
    spans = tuple(Span(end - len(page), end, page=i + 1) for i, (end, page) in enumerate(zip(ends, pages, strict=True)))
    chunks = split(Document("".join(pages), spans), ChunkOptions(50, 5))
    assert [(chunk.page, count_words(chunk.text)) for chunk in chunks] == [(1, 45), (3, 30)]


def test_page_is_that_of_the_first_character() -> None:
    text = "first page\n\n" + "second page\n\n"
    document = Document(text, (Span(0, 12, page=1), Span(12, len(text), page=2)))
    assert [chunk.page for chunk in split(document, SMALL)] == [1]
    assert split(Document(text, (Span(12, len(text), page=2),)), SMALL)[0].page == 2


def test_lines_come_from_the_source() -> None:
    document = Document("a\nb\n\nc", (Span(0, 6),), lines=(3, 7, 8, 20))
    chunk = split(document, SMALL)[0]
    assert (chunk.start_line, chunk.end_line) == (3, 20)


@pytest.mark.parametrize(
    ("size", "overlap", "message"),
    [
        (19, 0, "chunk_words: 19 is not from 20 to 5000"),
        (5001, 0, "chunk_words: 5001 is not from 20 to 5000"),
        (20, 10, "overlap_words: 10 is not from 0 to 9"),
        (500, 250, "overlap_words: 250 is not from 0 to 249"),
        (500, -1, "overlap_words: -1 is not from 0 to 249"),
    ],
)
def test_options_out_of_range_are_refused(size: int, overlap: int, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        ChunkOptions(size, overlap)
    assert str(caught.value) == message


def test_time_is_linear() -> None:
    """A quadratic scan over 400,000 words would take minutes."""
    text = "alpha beta gamma. delta\n" * 100_000
    assert len(split(plain(text), ChunkOptions())) > 800


def test_rows_are_cut_between_lines_and_their_header_repeated() -> None:
    rows = [f"{number} | Mr. Blue. His remark! | {number * 7}" for number in range(30)]
    text = "\n".join(["no | remark | sum", *rows])
    chunks = split(Document(text, (Span(0, len(text), kind="rows", header="no | remark | sum"),)), SMALL)
    assert chunks[0].text.startswith("no | remark | sum\n0 | Mr. Blue")
    for chunk in chunks:
        header, *lines = chunk.text.split("\n")
        assert header == "no | remark | sum"
        assert set(lines) <= set(rows)
        first, last = text.split("\n")[chunk.start_line - 1], text.split("\n")[chunk.end_line - 1]
        assert (lines[0], lines[-1]) == (first if chunk.start_line > 1 else rows[0], last)


def test_code_is_kept_whole_if_a_boundary_beside_it_is_near() -> None:
    before, code = "one two three four. " * 4, "if x:\n\n    y. z w\n\n    u = v * w + y * z\n"
    text = f"{before}\n{code}after it " + "and so on. " * 30
    start = text.index("if x")
    spans = (Span(0, start), Span(start, start + len(code), kind="code"), Span(start + len(code), len(text)))
    first, second = split(Document(text, spans), SMALL)[:2]
    assert first.text == before.strip()
    assert code.strip() in second.text


def test_code_that_is_too_long_is_cut_at_its_blank_lines() -> None:
    text = "\n\n".join(f"def f{number}(a, b):\n    return a. b + {number}" for number in range(20))
    for chunk in split(Document(text, (Span(0, len(text), kind="code"),)), ChunkOptions(20, 0)):
        assert chunk.text.startswith("def f")
