"""Which words of a collection stand for one that it does not have."""

from vsearch_core.lexical.analyzer import Analyzer
from vsearch_core.lexical.compounds import Compounds
from vsearch_core.lexical.postings import build

GERMAN = Analyzer("de")


def relatives(word: str, *texts: str) -> list[str]:
    """The relatives of a word in a collection of two segments, as terms."""
    parts = [build([GERMAN.terms(text) for text in some]) for some in (texts[::2], texts[1::2])]
    compounds = Compounds(parts, GERMAN.query_terms)
    (term,) = GERMAN.terms(word)
    found = compounds.relatives(term)
    assert compounds.relatives(term) == found
    return list(found)


def test_a_word_that_is_held_stands_for_itself() -> None:
    assert relatives("Ventile", "Ventil", "Wasserventil", "Wasser") == []


def test_a_word_with_another_term_that_is_held_stands_for_itself() -> None:
    compounds = Compounds([build([["three", "twentythre", "twenty"]])], lambda word: [word])
    assert compounds.word_relatives(["three", "thre"]) == []


def test_a_compound_is_its_parts() -> None:
    assert relatives("Wasserventil", "Ventile", "Wasser") == ["wass", "ventil"]


def test_letters_that_link_are_left_out() -> None:
    assert relatives("Versicherungsvertrag", "Verträge", "Versicherung") == ["versicher", "vertrag"]
    assert relatives("Lebensversicherungsvertrag", "Vertrag", "Versicherung", "Leben") == [
        "leb",
        "versicher",
        "vertrag",
    ]


def test_every_part_must_be_held() -> None:
    assert relatives("Mietvertrag", "Vertrag") == []


def test_a_word_stands_for_the_compounds_that_end_in_it_the_most_frequent_first() -> None:
    texts = ("Gasventil und Gasthaus", "Wasserventil am Wasser", "Dampfventil und Dampf", "Dampfventil")
    assert relatives("Ventil", *texts) == ["dampfventil", "wasserventil"]


def test_an_ending_that_is_no_word_of_its_own_is_none() -> None:
    assert relatives("Sicherung", "Versicherung", "Krankenversicherung") == []


def test_what_is_too_short_or_too_long_has_none() -> None:
    assert relatives("Tür", "Haustür", "Haus") == []
    assert relatives("wasser" * 30, "Wasser") == []
