"""Question words of languages without spaces are left out of queries, and nothing else is."""

import pytest

from vsearch_core.lexical.analysis import Analysis
from vsearch_core.lexical.query import plain_query
from vsearch_core.lexical.question_words import without_question_words


@pytest.mark.parametrize(
    ("query", "rest"),
    [
        ("谁发明了电话？", " 发明了电话？"),
        ("为什么天空是蓝色的吗？", " 天空是蓝色的 ？"),
        ("日本の首都はどこですか", "日本の首都は  "),
        ("누가 전화를 발명했습니까", "  전화를 발명했습니까"),
        ("왜 하늘은 파란가", "  하늘은 파란가"),
        ("ใครเป็นผู้ประดิษฐ์โทรศัพท์", " เป็นผู้ประดิษฐ์โทรศัพท์"),
    ],
)
def test_question_words_are_left_out(query: str, rest: str) -> None:
    assert without_question_words(query) == rest


@pytest.mark.parametrize(
    "query", ["哪吒", "吗啡的作用", "などの例", "ほどこす", "なだれ", "왜곡 보정", "who", "кто", "什么？", "谁"]
)
def test_other_words_and_queries_of_question_words_alone_stay(query: str) -> None:
    assert without_question_words(query) == query


def test_the_terms_of_a_query_are_about_its_topic() -> None:
    analysis = Analysis("zh")
    assert analysis.query_terms(plain_query("谁发明了电话"), ["zh"]) == analysis.query_terms(
        plain_query("发明了电话"), ["zh"]
    )
    assert analysis.query_terms(plain_query("什么"), ["zh"])
