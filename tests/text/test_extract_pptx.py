"""Presentations: the slides' order, titles, tables and notes."""

from packages import pptx, shape

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
