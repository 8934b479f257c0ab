"""The prefixes that model cards ask for where files say nothing."""

import pytest

from vsearch_core.embed.settings import BGE, prefixes


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("intfloat/e5-base-v2", ("query: ", "passage: ")),
        ("intfloat/multilingual-e5-large", ("query: ", "passage: ")),
        ("intfloat/multilingual-e5-large-instruct", ("", "")),
        ("BAAI/bge-small-en-v1.5", (BGE, "")),
        ("BGE-Base-EN", (BGE, "")),
        ("BAAI/bge-m3", ("", "")),
        ("Snowflake/snowflake-arctic-embed-m-v1.5", (BGE, "")),
        ("thenlper/gte-base", ("", "")),
        ("nomic-ai/nomic-embed-text-v1.5", ("search_query: ", "search_document: ")),
        ("sentence-transformers/all-MiniLM-L6-v2", ("", "")),
    ],
)
def test_a_family_is_known_by_its_name(name: str, expected: tuple[str, str]) -> None:
    assert prefixes([name], {}) == expected
    assert prefixes(["my-model", name], {}) == expected


def test_prompts_in_the_files_win() -> None:
    assert prefixes(["intfloat/e5-base-v2"], {"query": "q: "}) == ("q: ", "")
    assert prefixes(["x/y"], {"passage": "p: ", "corpus": "c: "}) == ("", "p: ")
    assert prefixes(["x/y"], {"document": "", "corpus": "c: "}) == ("", "c: ")
    assert prefixes(["intfloat/e5-base-v2"], {"query": "", "document": ""}) == ("query: ", "passage: ")
