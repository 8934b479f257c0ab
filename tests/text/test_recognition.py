"""Words in pictures: the order of lines, their places, and the text of image files and scanned pages."""

import io
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pdfs import make_pdf, with_pictures

from vsearch_core.errors import BinaryFileError
from vsearch_core.model import PARTS_OF_PAGE
from vsearch_core.text.extract import recognition
from vsearch_core.text.extract.options import ExtractOptions
from vsearch_core.text.extract.recognition import RecognisedLine, as_text, boxes_in, in_reading_order
from vsearch_core.text.extract.registry import extract

pytest.importorskip("PIL")

from pictures import drawn, exif, png

OCR = ExtractOptions(ocr=True)
Recognises = Callable[[Sequence[RecognisedLine]], list[tuple[int, int]]]


def line(text: str, left: float, top: float, width: float = 0.3, height: float = 0.02) -> RecognisedLine:
    return RecognisedLine(text, left, top, left + width, top + height)


@pytest.fixture
def recognises(monkeypatch: pytest.MonkeyPatch) -> Recognises:
    """Return a function that sets the lines found in each picture, and returns the list of the pictures' sizes."""

    def found(lines: Sequence[RecognisedLine]) -> list[tuple[int, int]]:
        sizes: list[tuple[int, int]] = []

        def recognise(image: Any) -> list[RecognisedLine]:
            assert image.mode == "RGB"
            sizes.append(image.size)
            return list(lines)

        monkeypatch.setattr(recognition, "recognise", recognise)
        monkeypatch.setattr(recognition, "is_installed", lambda: True)
        monkeypatch.setattr("vsearch_core.text.formats.picture.is_installed", lambda: True)
        monkeypatch.setattr("vsearch_core.text.extract.ocr.has_program", lambda: False)
        return sizes

    return found


def test_columns_are_read_one_after_the_other_below_their_title() -> None:
    rows = [line(f"{name}{row}", left, 0.2 + 0.03 * row) for row in range(4) for name, left in (("a", 0.1), ("b", 0.6))]
    title = line("title", 0.1, 0.05, width=0.8)
    found = in_reading_order([rows[5], *rows[:5], title, *rows[6:]])
    assert [each.text for each in found] == ["title", "a0", "a1", "a2", "a3", "b0", "b1", "b2", "b3"]
    assert as_text(found) == "title\n\na0\na1\na2\na3\n\nb0\nb1\nb2\nb3"


def test_a_picture_that_is_hard_to_read_is_read_upside_down_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    image = Image.new("RGB", (100, 50), "white")
    image.putpixel((0, 0), (0, 0, 0))  # upside down, it is the last pixel
    seen: list[bool] = []

    def engine(pixels: Any, *, use_cls: bool) -> Any:
        seen.append(use_cls)
        is_upright = pixels[-1, -1].sum() == 0
        corners = np.array([[[10.0, 5.0], [60.0, 5.0], [60.0, 15.0], [10.0, 15.0]]])
        score = 0.98 if is_upright else 0.7
        return SimpleNamespace(boxes=corners, txts=["Heron" if is_upright else "uoɹǝH"], scores=[score])

    monkeypatch.setattr(recognition, "_engine", lambda: engine)
    assert recognition.recognise(image) == [RecognisedLine("Heron", 0.4, 0.7, 0.9, 0.9)]
    assert seen == [False, False]
    turned = image.transpose(Image.Transpose.ROTATE_180)
    assert recognition.recognise(turned) == [RecognisedLine("Heron", 0.1, 0.1, 0.6, 0.3)]
    assert seen == [False] * 3


@pytest.mark.slow
@pytest.mark.parametrize("turn", [False, True])
def test_long_lines_of_a_page_are_read_as_they_stand(turn: bool) -> None:
    pytest.importorskip("rapidocr")
    from PIL import Image, ImageDraw, ImageFont

    text = "Between May and September, barges carried grain, timber and coal as far as the bridge."
    image = Image.new("RGB", (1240, 400), "white")
    for number in range(8):
        ImageDraw.Draw(image).text((90, 40 + 40 * number), text, font=ImageFont.load_default(24), fill="black")
    shown = image.transpose(Image.Transpose.ROTATE_180) if turn else image
    assert [line.text for line in recognition.recognise(shown)] == [text] * 8


def test_words_side_by_side_are_one_line() -> None:
    found = in_reading_order([line("7 kg", 0.39, 0.101), line("Heron", 0.1, 0.1)])
    assert as_text(found) == "Heron 7 kg"


def test_hundreds_of_lines_are_ordered_without_deep_recursion() -> None:
    lines = [line(str(row), 0.1, row / 2000, height=0.0004) for row in range(2000)]
    assert [int(each.text) for each in in_reading_order(lines[::-1])] == list(range(2000))


def test_the_box_of_a_line_whose_broken_word_was_joined_is_found_by_its_other_words() -> None:
    boxes = boxes_in("the her on ice sheet\nnext", 1, [line("the her-", 0, 0), line("next", 0, 0.5)])
    assert [(box.start, box.end, box.top) for box in boxes] == [(0, 3, 0), (21, 25, PARTS_OF_PAGE // 2)]


def test_words_in_a_picture_follow_its_caption_and_have_places(recognises: Recognises) -> None:
    sizes = recognises([line("EXIT", 0.25, 0.5), line("Gate 7", 0.25, 0.6)])
    document = extract("a.jpg", drawn(exif=exif({0x010E: "A sign", 0x0112: 6})), OCR)
    assert document.text == "A sign\n\nEXIT\n\nGate 7\n\n"
    assert sizes == [(20, 40)]  # upright
    assert document.boxes is not None
    assert [document.text[box.start : box.end] for box in document.boxes] == ["EXIT", "Gate 7"]
    first = document.boxes[0]
    assert (first.page, first.left, first.top, first.right, first.bottom) == (None, 2500, 5000, 5500, 5200)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", "I;16"), ("PNG", "LA"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "1"), ("JPEG", "CMYK"), ("TIFF", "F")],
)
def test_pictures_of_any_colours_become_rgb(kind: str, mode: str, recognises: Recognises) -> None:
    assert recognises([line("EXIT", 0, 0)]) == []
    assert extract("a.png", drawn(kind, mode=mode), OCR).text == "EXIT\n\n"


def test_the_pages_of_a_tiff_are_pages(recognises: Recognises) -> None:
    from PIL import Image

    recognises([line("EXIT", 0, 0)])
    out = io.BytesIO()
    pages = [Image.new("1", (8, 8)) for _ in range(3)]
    pages[0].save(out, "TIFF", save_all=True, append_images=pages[1:])
    document = extract("a.tif", out.getvalue(), OCR)
    assert [span.page for span in document.spans] == [1, 2, 3]
    assert document.boxes is not None
    assert [(box.page, document.text[box.start : box.end]) for box in document.boxes] == [
        (1, "EXIT"),
        (2, "EXIT"),
        (3, "EXIT"),
    ]


def test_pixels_that_are_too_many_or_damaged_are_reported_and_not_decoded(recognises: Recognises) -> None:
    sizes = recognises([line("EXIT", 0, 0)])
    document = extract("a.png", png({"Description": "A sign"}, size=(60_000, 60_000)), OCR)
    assert (document.text, sizes) == ("A sign\n\n", [])
    assert document.left_out == ("can't recognise words in damaged or too many pixels",)
    cut = drawn(size=(500, 500))[:700]
    assert extract("a.jpg", cut, OCR).left_out == ("can't recognise words in damaged or too many pixels",)
    with pytest.raises(BinaryFileError, match="damaged or too many pixels"):
        extract("a.jpg", cut, ExtractOptions(ocr=True, nesting=1))


def test_a_picture_without_words_is_skipped(recognises: Recognises) -> None:
    recognises([])
    with pytest.raises(BinaryFileError, match="is a picture without words, in it or about it"):
        extract("a.jpg", drawn(), OCR)
    assert extract("a.png", png({"Description": "A sign"}), OCR).boxes == ()


def test_without_the_package_the_picture_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsearch_core.text.formats.picture.is_installed", lambda: False)
    with pytest.raises(BinaryFileError, match="is a picture, whose words rapidocr finds") as caught:
        extract("a.jpg", drawn(), OCR)
    assert (caught.value.code, caught.value.details) == ("extra-missing", {"extra": "ocr"})


def test_scanned_pages_of_a_pdf_are_recognised_with_places(recognises: Recognises) -> None:
    sizes = recognises([line("A scanned", 0.1, 0.1), line("heron", 0.1, 0.13)])
    document = extract("a.pdf", with_pictures(make_pdf("typed", ""), [2]), OCR)
    assert document.text == "typed\n\f\nA scanned\nheron\n\n"
    assert document.left_out == ()
    assert document.boxes is not None
    assert [(box.page, document.text[box.start : box.end]) for box in document.boxes] == [
        (2, "A scanned"),
        (2, "heron"),
    ]
    (size,) = sizes
    assert 1500 < max(size) <= 3000


def test_a_scan_without_words_holds_no_text(recognises: Recognises) -> None:
    recognises([])
    with pytest.raises(BinaryFileError, match="holds no text, not in its pictures either"):
        extract("a.pdf", with_pictures(make_pdf("", ""), [1, 2]), OCR)


def test_pages_are_left_out_when_the_time_is_up(recognises: Recognises, monkeypatch: pytest.MonkeyPatch) -> None:
    recognises([line("heron", 0, 0)])
    monkeypatch.setattr(recognition, "_TIME_SHARE", -1.0)
    document = extract("a.pdf", with_pictures(make_pdf("typed", ""), [2]), OCR)
    assert document.left_out == ("no time left to recognise the text on page 2",)


def test_rapidocr_reads_words_and_says_where() -> None:
    pytest.importorskip("rapidocr")
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (400, 100), "white")
    ImageDraw.Draw(image).text((100, 30), "Gate 42, level 3", "black", font=ImageFont.load_default(30))
    found = recognition.recognise(image)
    assert as_text(found) == "Gate 42, level 3"
    assert 0.2 < min(each.left for each in found) < 0.3
    assert 0.6 < max(each.right for each in found) < 1
    assert all(0.2 < each.top < 0.4 for each in found)
    assert all(0.5 < each.bottom < 0.8 for each in found)


def test_rapidocr_reads_accents() -> None:
    pytest.importorskip("rapidocr")
    from PIL import Image, ImageDraw, ImageFont

    try:
        font = ImageFont.truetype("DejaVuSans.ttf", 30)
    except OSError:
        pytest.skip("the font DejaVu Sans is not installed")
    image = Image.new("RGB", (500, 100), "white")
    ImageDraw.Draw(image).text((50, 30), "Größe, façade, łódź, niño", "black", font=font)
    assert as_text(recognition.recognise(image)) == "Größe, façade, łódź, niño"
