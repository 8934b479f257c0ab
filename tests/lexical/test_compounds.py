"""The words of an index that are related to a word it lacks."""

from postings_of_terms import build

from vsearch_core.lexical.analyzer import Analyzer
from vsearch_core.lexical.compounds import Compounds
from vsearch_core.lexical.vocabulary import PostingsVocabulary

GERMAN = Analyzer("de")


def relatives(word: str, *texts: str) -> list[str]:
    """Return the relatives of a word, as terms, in an index of two segments."""
    parts = [build([GERMAN.terms(text) for text in some]) for some in (texts[::2], texts[1::2])]
    compounds = Compounds(PostingsVocabulary(parts), GERMAN.query_terms)
    term = GERMAN.terms(word)[0]
    found = compounds.relatives(term)
    assert compounds.relatives(term) == found
    return list(found)


def test_a_word_that_occurs_has_no_relatives() -> None:
    assert relatives("Ventile", "Ventil", "Wasserventil", "Wasser") == []


def test_a_word_of_which_one_term_occurs_has_no_relatives() -> None:
    compounds = Compounds(PostingsVocabulary([build([["three", "twentythre", "twenty"]])]), lambda word: [word])
    assert compounds.word_relatives(["three", "thre"]) == []


def test_a_compound_is_related_to_its_parts() -> None:
    assert relatives("Wasserventil", "Ventile", "Wasser") == ["wass", "ventil"]


def test_linking_letters_are_removed() -> None:
    assert relatives("Versicherungsvertrag", "Verträge", "Versicherung") == ["versicher", "vertrag"]
    assert relatives("Lebensversicherungsvertrag", "Vertrag", "Versicherung", "Leben") == [
        "leb",
        "versicher",
        "vertrag",
    ]


def test_every_part_must_occur() -> None:
    assert relatives("Mietvertrag", "Vertrag") == []


def test_a_word_is_related_to_compounds_that_end_in_it_most_frequent_first() -> None:
    texts = ("Gasventil und Gasthaus", "Wasserventil am Wasser", "Dampfventil und Dampf", "Dampfventil")
    assert relatives("Ventil", *texts) == ["dampfventil", "wasserventil"]


def test_the_rest_of_a_compound_must_occur_too() -> None:
    assert relatives("Sicherung", "Versicherung", "Krankenversicherung") == []


def test_words_that_are_too_short_or_too_long_have_no_relatives() -> None:
    assert relatives("Tür", "Haustür", "Haus") == []
    assert relatives("wasser" * 30, "Wasser") == []
