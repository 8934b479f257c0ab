"""Picture files: captions, keywords and metadata, and files that are damaged or lie about themselves."""

import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from vsearch_core.errors import BinaryFileError, PictureError
from vsearch_core.model import Document
from vsearch_core.text.extract.options import ExtractOptions, remedy
from vsearch_core.text.extract.pictures import opened, pixels
from vsearch_core.text.extract.registry import extract, is_steady, place_of

pytest.importorskip("PIL")

from pictures import HEIC, chunk, drawn, exif, png, with_iptc, xmp

CANON = {0x010F: "Canon", 0x0110: "Canon EOS R5"}
BERLIN = {1: "N", 2: (52.0, 31.0, 12.0), 3: "W", 4: (13.0, 24.0, 18.0)}


def read(name: str, data: bytes, **options: Any) -> Document:
    return extract(name, data, ExtractOptions(**options))


def test_the_caption_of_a_photo_is_its_text_and_what_the_camera_says_its_metadata() -> None:
    data = drawn(
        exif=exif(
            {0x010E: "A heron on the ice", 0x013B: "Ann Lee", 0x0112: 6, **CANON},
            {0x9003: "2026:03:01 12:30:00", 0x9011: "+02:00"},
        )
    )
    document = read("a.jpg", data)
    assert document.text == "A heron on the ice\n\n"
    assert document.metadata == {
        "created": "2026-03-01T12:30:00+02:00",
        "author": "Ann Lee",
        "description": "A heron on the ice",
        "camera": "Canon EOS R5",
        "width": 20,  # turned by a quarter
        "height": 40,
    }


@pytest.mark.parametrize(
    ("suffix", "data"),
    [
        ("jpg", drawn(exif=exif({0x010E: "A heron"}))),
        ("jpg", drawn("PNG", exif=exif({0x010E: "A heron"}))),  # another format than the suffix says
        ("jpg", with_iptc(drawn(), {120: [b"A heron"]})),
        ("jpg", with_iptc(drawn(mode="CMYK"), {120: [b"A heron"]}, utf8=False)),
        ("jpg", drawn(comment="A heron")),
        ("jpg", drawn(xmp=xmp("<dc:description><rdf:Alt><rdf:li>A heron</rdf:li></rdf:Alt></dc:description>"))),
        ("png", png({"Description": "A heron"})),
        ("png", png(after={"Comment": "A heron"})),
        ("png", png({"XML:com.adobe.xmp": xmp("<dc:description>A heron</dc:description>").decode()})),
        ("png", drawn("PNG", mode="I;16", exif=exif({0x010E: "A heron"}))),
        ("webp", drawn("WEBP", exif=exif({0x010E: "A heron"}))),
        ("webp", drawn("WEBP", xmp=xmp('<rdf:Description core:AltTextAccessibility="A heron"/>'))),
        ("gif", drawn("GIF", comment="A heron")),
        ("avif", drawn("AVIF", exif=exif({0x010E: "A heron"}))),
        ("avif", drawn("AVIF", xmp=xmp("<dc:description>A heron</dc:description>"))),
        ("tif", drawn("TIFF", tiffinfo={270: "A heron"})),
        ("tiff", drawn("TIFF", tiffinfo={700: xmp("<dc:description>A heron</dc:description>")})),
    ],
)
def test_captions_are_found_wherever_formats_keep_them(suffix: str, data: bytes) -> None:
    document = read(f"a.{suffix}", data)
    assert document.text == "A heron\n\n"
    assert (document.metadata["width"], document.metadata["height"]) in {(40, 20), (2, 3)}


def test_heic_is_read_as_other_pictures_are() -> None:
    pytest.importorskip("pi_heif")
    document = read("a.heic", HEIC)
    assert document.text == "A heron\n\n"
    assert document.metadata["camera"] == "Canon EOS R5"
    assert document.metadata["created"] == "2026-03-01T12:30:00"
    assert (document.metadata["width"], document.metadata["height"]) == (100, 200)
    assert document.picture is not None
    assert document.picture.hash is not None


@pytest.mark.parametrize("size", [20, 200, 700])
def test_a_truncated_heic_is_skipped(size: int) -> None:
    pytest.importorskip("pi_heif")
    with pytest.raises(BinaryFileError, match="is not a readable picture"):
        read("a.heic", HEIC[:size])


def test_a_heic_that_claims_billions_of_pixels_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pi_heif")
    at = HEIC.index(b"ispe") + 8
    document = read("a.heic", HEIC[:at] + (60_000).to_bytes(4, "big") * 2 + HEIC[at + 8 :])
    assert document.text == "A heron\n\n"
    assert document.picture is not None
    assert document.picture.hash is None


def test_without_its_reader_heic_is_skipped_not_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsearch_core.text.extract.registry.find_spec", lambda _: None)
    with pytest.raises(BinaryFileError, match="is a HEIC picture, which needs pi_heif") as caught:
        extract("a.HEIC", HEIC)
    assert (caught.value.code, caught.value.details) == ("extra-missing", {"extra": "heic"})


def test_titles_keywords_and_people_are_text_and_metadata() -> None:
    packet = xmp(
        "<dc:title><rdf:Alt><rdf:li xml:lang='de'>Eis</rdf:li><rdf:li xml:lang='x-default'>Ice</rdf:li></rdf:Alt>"
        "</dc:title>"
        "<dc:subject><rdf:Bag><rdf:li>bird</rdf:li><rdf:li>winter</rdf:li><rdf:li>Bird</rdf:li></rdf:Bag></dc:subject>"
        "<iptc:PersonInImage><rdf:Bag><rdf:li>Ann Lee</rdf:li></rdf:Bag></iptc:PersonInImage>"
    )
    document = read(
        "a.jpg", with_iptc(drawn(xmp=packet), {120: ["Ein Reiher, größer".encode()], 25: [b"winter", b"lake"]})
    )
    assert document.title == "Ice"
    assert document.text == "Ein Reiher, größer\n\nIce\n\nKeywords: bird, winter, lake\n\nPeople: Ann Lee\n\n"
    assert document.metadata["keywords"] == ["bird", "winter", "lake"]
    assert document.metadata["people"] == ["Ann Lee"]


def test_text_in_old_encodings_and_of_windows_is_read() -> None:
    tags = {0x9C9B: "Brücke\0".encode("utf-16-le"), 0x9C9E: "Elbe;Größe\0".encode("utf-16-le")}
    document = read("a.jpg", drawn(exif=exif(tags, {0x9286: b"UNICODE\0" + "ж and ü".encode("utf-16-le")})))
    assert document.text == "ж and ü\n\nBrücke\n\nKeywords: Elbe, Größe\n\n"
    assert read("a.jpg", with_iptc(drawn(), {120: ["Grüße".encode("cp1252")]}, utf8=False)).text == "Grüße\n\n"
    assert read("a.jpg", drawn(exif=exif({0x010E: "Grüße".encode()}))).text == "Grüße\n\n"


def test_the_place_is_left_out_unless_asked_for() -> None:
    packet = xmp("<photoshop:City>Berlin</photoshop:City>")
    data = drawn(exif=exif({0x010E: "A heron"}, position=BERLIN), xmp=packet)
    assert "Berlin" not in repr(read("a.jpg", data))
    assert "latitude" not in read("a.jpg", data).metadata
    document = read("a.jpg", data, positions=True)
    assert document.text == "A heron\n\nPlace: Berlin\n\n"
    assert (document.metadata["latitude"], document.metadata["longitude"]) == (52.52, -13.405)


@pytest.mark.parametrize("position", [{2: (1.0,)}, {**BERLIN, 2: (99.0, 0.0, 0.0)}, {**BERLIN, 4: (13.0, 24.0)}])
def test_a_position_that_makes_no_sense_is_none(position: dict[int, Any]) -> None:
    data = with_iptc(drawn(exif=exif({}, position=position)), {120: [b"A heron"]})
    assert "latitude" not in read("a.jpg", data, positions=True).metadata


@pytest.mark.parametrize(
    "caption",
    [
        "OLYMPUS DIGITAL CAMERA         ",
        "SONY DSC",
        "SAMSUNG CAMERA PICTURES",
        "Created with GIMP",
        "DCIM\\100MEDIA",
        "  ",
        "untitled",
    ],
)
def test_captions_by_cameras_and_programs_are_none(caption: str) -> None:
    with pytest.raises(PictureError, match="is a picture about which nothing is written in its file") as caught:
        read("a.jpg", drawn(exif=exif({0x010E: caption}), comment="CREATOR: gd-jpeg v1.0 (using IJG JPEG v62)"))
    assert (remedy(caught.value), caught.value.code) == ("ocr", "picture-without-text")


def test_a_picture_without_words_is_known_by_its_name_camera_date_and_size() -> None:
    taken = exif(CANON, {0x9003: "2026:03:01 12:30:00"})
    document = read("old mill.jpg", drawn(size=(200, 100), exif=taken))
    assert document.text == "old mill (Canon EOS R5, 2026-03-01, 200 × 100 pixels)\n\n"
    assert document.picture is not None
    assert (document.picture.is_described, document.picture.hash) == (False, None)  # of one colour
    described = read("a.png", drawn("PNG", size=(200, 100), exif=exif({0x010E: "A heron"}))).picture
    assert described is not None
    assert described.is_described
    with pytest.raises(PictureError):
        extract("old mill.jpg", drawn(size=(200, 100)), ExtractOptions(nesting=1))


@pytest.mark.parametrize(
    "date", ["0000:00:00 00:00:00", "    :  :     :  :  ", "2026:13:01 12:00:00", "2026:01:01 25:00:00"]
)
def test_a_date_that_a_camera_did_not_know_is_none(date: str) -> None:
    assert "created" not in read("a.jpg", drawn(exif=exif({0x010E: "A heron"}, {0x9003: date}))).metadata


def test_a_file_that_claims_billions_of_pixels_costs_nothing() -> None:
    tracemalloc.start()
    document = read("a.png", png({"Description": "A heron"}, size=(60_000, 60_000)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (document.metadata["width"], document.text) == (60_000, "A heron\n\n")
    assert peak < 10_000_000


@pytest.mark.parametrize(
    "data", [b"<html>", b"version https://git-lfs.github.com/spec/v1\n", drawn()[:30], png()[:20], b"GIF89a"]
)
def test_a_file_that_is_no_picture_is_skipped_with_the_reason(data: bytes) -> None:
    with pytest.raises(BinaryFileError, match="is not a readable picture") as caught:
        read("a.png", data)
    assert caught.value.code == "damaged-file"


def test_a_picture_in_another_format_of_pillow_is_not_opened() -> None:
    for kind in ("EPS", "PPM", "PDF"):
        with pytest.raises(BinaryFileError):
            read("a.png", drawn(kind))


def test_a_truncated_picture_still_has_its_caption() -> None:
    data = drawn(size=(500, 500), exif=exif({0x010E: "A heron"}))
    assert read("a.jpg", data[: len(data) // 2]).text == "A heron\n\n"


def test_entities_of_xmp_are_not_expanded() -> None:
    packet = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + xmp("<dc:title>&e;A heron</dc:title>")
    assert read("a.jpg", drawn(xmp=packet)).text == "&e;A heron\n\n"


def test_a_tiff_of_several_pages_says_how_many() -> None:
    import io

    from PIL import Image

    out = io.BytesIO()
    pages = [Image.new("1", (8, 8)) for _ in range(3)]
    pages[0].save(out, "TIFF", save_all=True, append_images=pages[1:], tiffinfo={270: "A fax"})
    assert read("a.tif", out.getvalue()).metadata["pages"] == 3


def test_a_hit_in_a_picture_has_a_page_only_if_there_are_several() -> None:
    assert place_of("a.jpg", None, None, (1, 1)) is None
    assert place_of("a.tif", 2, None, (1, 1)) == "page 2"


def test_without_pillow_pictures_are_skipped_not_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsearch_core.text.extract.registry.find_spec", lambda _: None)
    with pytest.raises(BinaryFileError, match="is a picture, which needs PIL") as caught:
        extract("a.jpg", drawn())
    assert (caught.value.code, caught.value.details) == ("extra-missing", {"extra": "images"})
    assert is_steady("a.jpg")  # no worker process is started for it


def test_running_out_of_memory_is_not_taken_for_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("PIL.Image.open", fail)
    with pytest.raises(MemoryError):
        extract("a.jpg", drawn())


# Hostile and unusual pictures: each is read, and has a hash if it can be decoded.


def corner(size: tuple[int, int] = (320, 240)) -> Any:
    """Return an image with one dark corner, so that it shows how it is turned."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", size, (240, 200, 120))
    ImageDraw.Draw(image).rectangle((0, 0, size[0] // 3, size[1] // 2), fill=(20, 30, 90))
    return image


def saved(image: Any, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def shown(data: bytes) -> Any:
    """Return the pixels of a picture as an array of grey values, (height, width)."""
    with opened("a.png", data) as image:
        return np.asarray(pixels(image).convert("L"), dtype=np.float32)


def is_hashed(name: str, data: bytes) -> bool:
    picture = extract(name, data).picture
    assert picture is not None
    return picture.hash is not None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_looked_at_upright(orientation: int) -> None:
    from PIL import Image

    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = corner() if orientation == 1 else corner().transpose(undo[orientation])
    data = saved(stored, "PNG", exif=exif({0x0112: orientation}))
    assert np.array_equal(shown(data), shown(saved(corner(), "PNG")))
    assert (extract("a.png", data).metadata["width"], extract("a.png", data).metadata["height"]) == (320, 240)


def sixteen_bits() -> Any:
    """Return an image of 16 bits a pixel."""
    from PIL import Image

    return Image.fromarray(np.asarray(corner().convert("L"), dtype=np.uint16) * 257)


def profile() -> bytes:
    """Return an ICC profile."""
    from PIL import ImageCms

    return bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.jpg", lambda: saved(corner().convert("CMYK"), "JPEG", quality=95)),
        ("a.tif", lambda: saved(corner().convert("CMYK"), "TIFF")),
        ("a.tif", lambda: saved(corner().convert("LAB"), "TIFF")),
        ("a.tif", lambda: saved(corner().convert("F"), "TIFF")),
        ("a.png", lambda: saved(sixteen_bits(), "PNG")),
        ("a.tif", lambda: saved(sixteen_bits(), "TIFF")),
        ("a.png", lambda: saved(corner().convert("1"), "PNG")),
        ("a.png", lambda: saved(corner().quantize(16), "PNG", transparency=0)),
        ("a.png", lambda: saved(corner().convert("RGBA"), "PNG", icc_profile=profile())),
        ("a.jpg", lambda: saved(corner(), "JPEG", icc_profile=b"no profile at all")),
        ("a.jpg", lambda: saved(corner(), "JPEG", progressive=True, quality=90)),
        ("a.gif", lambda: saved(corner(), "GIF", save_all=True, append_images=[corner((9, 9))] * 3, loop=0)),
        ("a.png", lambda: saved(corner(), "PNG", save_all=True, append_images=[corner()] * 3)),
        ("a.webp", lambda: saved(corner(), "WEBP", save_all=True, append_images=[corner()] * 3)),
        ("a.avif", lambda: saved(corner(), "AVIF", save_all=True, append_images=[corner()] * 3)),
    ],
)
def test_unusual_pictures_are_looked_at(name: str, make: Callable[[], bytes]) -> None:
    data = make()
    assert is_hashed(name, data)
    grey = shown(data)
    assert grey.shape == (240, 320)
    assert grey[:100, :90].mean() + 40 < grey[150:, 150:].mean()  # the corner is darker, where it should be


def with_size(kind: str) -> bytes:
    """Return a file whose header claims the most pixels that its format can, or 60,000 x 60,000, and has few bytes."""
    data, most = saved(corner((16, 16)), kind), 60_000
    if kind == "PNG":
        return png(size=(most, most))
    if kind == "GIF":
        return data[:6] + most.to_bytes(2, "little") * 2 + data[10:]
    if kind == "JPEG":
        at = data.index(b"\xff\xc0") + 5
        return data[:at] + most.to_bytes(2, "big") * 2 + data[at + 4 :]
    if kind == "BMP":
        return data[:18] + most.to_bytes(4, "little") * 2 + data[26:]
    at = data.index(b"ispe") + 8
    return data[:at] + most.to_bytes(4, "big") * 2 + data[at + 8 :]


@pytest.mark.parametrize("kind", ["PNG", "GIF", "JPEG", "BMP", "AVIF"])
def test_no_format_decodes_billions_of_pixels(kind: str) -> None:
    tracemalloc.start()
    try:
        document = extract("a.png", with_size(kind), ExtractOptions())
    except BinaryFileError:
        document = None  # its reader compares the size with others in the file
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50_000_000
    assert document is None or document.picture is None or document.picture.hash is None


def test_pixels_that_unpack_without_end_are_not_unpacked() -> None:
    rows = zlib.compress(bytes(20_001 * 200), 9)  # of 20,000 rows
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows * 100) + chunk(b"IEND", b"")
    assert not is_hashed("a.png", data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_pictures_cost_themselves_only(kind: str, share: float) -> None:
    data = saved(corner(), kind)
    try:
        picture = extract("mill.png", data[: int(share * len(data))]).picture
    except BinaryFileError as error:
        assert error.code == "damaged-file"
    else:
        assert picture is not None
