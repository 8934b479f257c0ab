"""Counting where words start, and searching for boundaries only near a target, give what lists of all of them give."""

import itertools
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_documents import OPTIONS, documents

from vsearch_core.model import Document, Span
from vsearch_core.text import chunk
from vsearch_core.text.chunk import ChunkOptions, split
from vsearch_core.text.word_starts import MAX_GAP, MAX_RUN, WORD, CountedStarts, ListedStarts, word_starts

PIECES = st.one_of(
    st.sampled_from(
        [
            *("word ", "word. ", "Is “it?” ", "é ", " ", "\n", "\n\n", " \n \t\n", "\t", "\xa0", "\u2003", "\u3000"),
            *(
                "。",
                "日本語。」",
                "ไทย",
                "x" * MAX_RUN,
                "x" * (MAX_RUN + 1),
                ").",
                "...",
                '?"',
                "\ud800",
                "😀 ",
                "\x1f",
            ),
            *(" " * (MAX_GAP - 1), " " * MAX_GAP, "\n" + " " * (3 * MAX_GAP) + "\n", ")" * (2 * MAX_RUN)),
        ]
    ),
    st.text(max_size=8),
)
TEXTS = st.lists(PIECES, max_size=120).map("".join)


class ListingCutter(chunk._Cutter):
    """The plain oracle: it lists all words and all boundaries of a text."""

    def __init__(self, text: str, spans: list[Span], options: ChunkOptions) -> None:
        super().__init__(text, spans, options)
        self.words = ListedStarts(text, spans[0].start, spans[-1].end)
        self.starts = [match.start() for match in WORD.finditer(text, spans[0].start, spans[-1].end)]
        assert [self.words[number] for number in range(len(self.words))] == self.starts

    def _nearest_boundary(
        self, kinds: Sequence[Mapping[str, re.Pattern[str]]], target: int, low: int, high: int
    ) -> int | None:
        for patterns in kinds:
            cuts = sorted({bisect_left(self.starts, offset) for offset in self.ends(patterns)} - {0, len(self.starts)})
            near = [cut for cut in cuts if low <= cut <= high]
            if near:
                return min(near, key=lambda cut: abs(cut - target))
        return None

    def ends(self, patterns: Mapping[str, re.Pattern[str]]) -> Iterator[int]:
        for kind, group in itertools.groupby(self.spans, key=lambda span: span.kind):
            run = list(group)
            if patterns is chunk._PARAGRAPHS:
                yield run[0].start
            if kind in patterns:
                yield from (match.end() for match in patterns[kind].finditer(self.text, run[0].start, run[-1].end))


@pytest.fixture
def plain_split(monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(document: Document, options: ChunkOptions) -> list[Any]:
        with monkeypatch.context() as patch:
            patch.setattr(chunk, "_Cutter", ListingCutter)
            return split(document, options)

    return run


@settings(deadline=None, max_examples=200)
@given(TEXTS, st.integers(0, 50), st.integers(0, 50), st.lists(st.integers(-3, 2000), max_size=9))
def test_counted_words_are_those_of_the_list(text: str, skipped: int, left: int, offsets: list[int]) -> None:
    start, end = min(skipped, len(text)), max(min(skipped, len(text)), len(text) - left)
    found, listed = word_starts(text, start, end), ListedStarts(text, start, end)
    assert [found[number] for number in range(len(found))] == [
        match.start() for match in WORD.finditer(text, start, end)
    ]
    assert len(found) == len(listed)
    assert [found.before(offset) for offset in offsets] == [listed.before(offset) for offset in offsets]
    with pytest.raises(IndexError):
        found[len(found)]


@pytest.mark.parametrize(
    ("text", "is_counted"),
    [
        ("It’s a “text”\xa0with\u2003blanks " * 50, True),
        ("x" * MAX_RUN + " y", True),
        ("x" * (MAX_RUN + 1) + " y", False),
        ("x" + " " * (MAX_GAP - 1) + "y", True),
        ("x" + " " * MAX_GAP + "y", False),
        ("two 日本", False),
        ("", False),
    ],
)
def test_words_are_counted_where_none_is_in_a_list_by_another_rule(text: str, is_counted: bool) -> None:
    assert isinstance(word_starts(text, 0, len(text)), CountedStarts) == is_counted


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS, OPTIONS)
def test_a_text_is_cut_as_by_lists(plain_split: Any, text: str, options: ChunkOptions) -> None:
    document = Document(text, (Span(0, len(text)),) if text else ())
    assert split(document, options) == plain_split(document, options)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents(), OPTIONS)
def test_spans_of_several_kinds_are_cut_as_by_lists(
    plain_split: Any, document: Document, options: ChunkOptions
) -> None:
    assert split(document, options) == plain_split(document, options)
