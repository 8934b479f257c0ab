"""What goes before a query and a document in models that want something there."""

import re
from collections.abc import Mapping

DOCUMENT_PROMPTS = ("document", "passage", "corpus")  # as sentence-transformers looks for them, the first one first

# Families whose files say nothing of the prefixes that their model cards ask for, by the model's name without owner:
# (name, before a query, before a document).
E5 = ("query: ", "passage: ")
BGE = "Represent this sentence for searching relevant passages: "
FAMILIES = (
    (r"(multilingual-)?e5-(small|base|large)(-v2|-unsupervised)?", *E5),
    (r"bge-(small|base|large)-en(-v1\.5)?", BGE, ""),
    (r"bge-(small|base|large)-zh(-v1\.5)?", "为这个句子生成表示以用于检索相关文章：", ""),
    (r"snowflake-arctic-embed-(xs|s|m|l)(-v1\.5)?", BGE, ""),
    (r"mxbai-embed-(large|xsmall)-v1", BGE, ""),
    (r"nomic-embed-text-v1(\.5)?|modernbert-embed-base", "search_query: ", "search_document: "),
)


def prefixes(name: str, prompts: Mapping[str, object]) -> tuple[str, str]:
    """(before a query, before a document) for the model of that name, whose files state those prompts.

    What the files state wins; where they state nothing for either side, the family's custom is followed.
    """
    query = str(prompts.get("query") or "")
    document = next((str(prompts[key]) for key in DOCUMENT_PROMPTS if prompts.get(key)), "")
    if query or document:
        return query, document
    plain = name.rpartition("/")[2].lower()
    return next(((before, after) for known, before, after in FAMILIES if re.fullmatch(known, plain)), ("", ""))
