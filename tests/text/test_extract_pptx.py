"""Presentations: the slides' order, titles, tables and notes."""

import pytest
from packages import CHART, DIAGRAM, pptx, shape

from vsearch_core.text.formats.pptx import extract


def test_slides_are_in_presentation_order() -> None:
    data = pptx(shape("First", kind="title") + shape("a", "b"), shape("lone text"), shape("Third", kind="ctrTitle"))
    document = extract("a.pptx", data)
    assert [(span.page, span.heading, document.text[span.start : span.end].strip()) for span in document.spans] == [
        (1, ("First",), "First\n\na\nb"),
        (2, (), "lone text"),
        (3, ("Third",), "Third"),
    ]
    assert document.text.count("\f") == 2


def test_tables_and_notes_without_repeated_placeholders() -> None:
    cells = "".join(f"<a:tc><a:txBody><a:p><a:r><a:t>{cell}</a:t></a:r></a:p></a:txBody></a:tc>" for cell in "ab")
    slide = (
        f"<a:tbl><a:tr>{cells}</a:tr><a:tr>{cells}</a:tr></a:tbl>" + shape("7", kind="sldNum") + shape("f", kind="ftr")
    )
    document = extract("a.pptx", pptx(slide, notes={0: shape("Say this.") + shape("7", kind="sldNum")}))
    assert document.text == "a | b\na | b\n\nSay this.\n\n"
    assert [(span.kind, span.header, span.page) for span in document.spans] == [("rows", "a | b", 1), ("prose", "", 1)]


def test_charts_and_diagrams_are_part_of_the_slide() -> None:
    slide = shape("Figures", kind="title") + '<c:chart xmlns:c="c" r:id="c"/><d:relIds xmlns:d="d" r:dm="d"/>'
    data = pptx(slide, shape("two"), parts={("chart", "c"): CHART, ("diagramData", "d"): DIAGRAM})
    document = extract("a.pptx", data)
    first = document.text.partition("\f")[0]
    assert first == "Figures\n\nSales by quarter\nNorth\nQ1\nQ2\n\nFirst\nSecond step\n\n"


def test_alternative_texts_of_pictures() -> None:
    described = ("A kestrel in flight", "bird.png", "")
    pictures = "".join(f'<p:pic><p:cNvPr id="4" name="Picture 3" descr="{text}"/></p:pic>' for text in described)
    pictures += '<p:pic><p:cNvPr id="5" name="Picture 4" descr="" title="A lighthouse"/></p:pic>'
    assert extract("a.pptx", pptx(pictures)).text == "A kestrel in flight\n\nA lighthouse\n\n"


def test_comments_follow_the_slide() -> None:
    old = "<p:cmLst xmlns:p='p'><p:cm><p:pos/><p:text>Swap the photo.</p:text></p:cm></p:cmLst>"
    text = "<p:txBody><a:p><a:r><a:t>Really?</a:t></a:r></a:p></p:txBody>"
    new = f"<p:cmLst xmlns:p='p' xmlns:a='a'><p:cm>{text}</p:cm></p:cmLst>"
    data = pptx(shape("one"), shape("two"), parts={("comments", "o"): old, ("2018/10/comments", "n"): new})
    assert extract("a.pptx", data).text == "one\n\nSwap the photo.\n\nReally?\n\n\f\ntwo\n\n"


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("", "Roadmap"),
        ("PowerPoint Presentation", "Roadmap"),
        ("PowerPoint-Präsentation", "Roadmap"),
        ("Présentation PowerPoint", "Roadmap"),
        ("Apresentação do PowerPoint", "Roadmap"),
        ("Presentazione standard di PowerPoint", "Roadmap"),
        ("PowerPoint 演示文稿", "Roadmap"),
        ("Introduction to PowerPoint", "Introduction to PowerPoint"),
        ("Slide 1", "Roadmap"),
        ("Presentation1", "Roadmap"),
        ("Slides of the year", "Slides of the year"),
    ],
)
def test_the_title_of_a_presentation_without_a_useful_one_is_the_first_slides(title: str, shown: str) -> None:
    data = pptx(shape("x"), shape("Roadmap", kind="ctrTitle"), core=f"<dc:title>{title}</dc:title>")
    assert extract("a.pptx", data).title == shown
