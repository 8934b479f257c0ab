"""CSV, JSON, YAML, TOML, XML and subtitles."""

import pytest

from vsearch_core.model import Document
from vsearch_core.text.chunk import ChunkOptions, split
from vsearch_core.text.extract.registry import extract


def spans(document: Document) -> list[tuple[tuple[str, ...], str]]:
    return [(span.heading, document.text[span.start : span.end].strip()) for span in document.spans]


@pytest.mark.parametrize(
    ("source", "header"),
    [
        ("name,age\nBob,7\n", "name,age"),
        ('\nname;remark\nBob;"a;b"\n', "name;remark"),
        ("a\tb\n1\t2\n", "a\tb"),
        ("1,2\n3,4\n", ""),
        ("name,age\n", ""),
        ("just some\nlines of text\n", ""),
        ("Region,2019,2020\nkestrel,5,7\n", "Region,2019,2020"),
        ("name,2019\nBob,2020\n", ""),
        ("Model,2019,2020\nA,1900,2000\nB,1950,2020\n", "Model,2019,2020"),
        ("Model,2019,2020\nA,2000,2001\n", ""),
        ("x,y\nr1,1,2\nr2,3,4\n", "x,y"),
        ("name,17\nBob,7\n", ""),
        (",2019,2020\nkestrel,5,7\n", ",2019,2020"),
        (",total\n1,2\n", ""),
        ('"2019";"2020"\n"5,5";"6"\n', ""),
        ('"name";"value";\n"a";"5,25";\n', '"name";"value";'),
        (",".join(f"column{number}" for number in range(100_000)) + "\n1,2\n", ""),
    ],
)
def test_header_of_a_table(source: str, header: str) -> None:
    document = extract("a.csv", source.encode())
    assert document.text == source
    assert [(span.kind, span.header) for span in document.spans] == [("rows", header)]


@pytest.mark.parametrize(
    "above",
    [
        "Statement of Ada\nPeriod;2024-01;2024-03\n\n",
        "Statement of Ada\n",
        "sep=;\n",
        "Account;1234\nFrom;2024-01-01\n\n",
        "Account:;DE12\nBalance:;1.000,00 EUR\n\n",
    ],
)
def test_header_of_a_table_below_its_titles(above: str) -> None:
    source = above + "Date;Payee;Amount\n" + "2024-01-01;x;0,10\n" * 30
    document = extract("a.csv", source.encode())
    assert [(span.kind, span.header, document.text[: span.start]) for span in document.spans] == [
        ("prose", "", ""),
        ("rows", "Date;Payee;Amount", above),
    ]


def test_header_of_a_table_of_words_below_a_blank_line() -> None:
    source = "Members\n\nName,Town\n" + "Ada,Bergen\n" * 30
    assert [span.header for span in extract("a.csv", source.encode()).spans] == ["", "Name,Town"]


def test_rows_of_words_are_no_header_amid_a_table() -> None:
    source = "1;x;2\n" * 3 + "a;b;c\n" + "1;x;2\n" * 9
    assert [span.header for span in extract("a.csv", source.encode()).spans] == [""]


def test_rows_keep_their_lines_under_their_header() -> None:
    source = "name,remark\n" + "".join(f"n{number},Some words. More words\n" for number in range(2, 50))
    for chunk in split(extract("a.csv", source.encode()), ChunkOptions(20, 0)):
        rows = chunk.text.split("\n")
        assert rows[0] == "name,remark"
        assert rows[1].startswith(f"n{max(chunk.start_line, 2)},")


def test_json() -> None:
    source = (
        '{"name": "x", "caf\\u00e9": {"text": "line\\nbreak \\"q\\" \\ud83d\\ude00 \\ud83d",\n "inner": '
        '{"a": [1]}},\n "list": [{"b": 1}]}'
    )
    document = extract("a.json", source.encode())
    assert spans(document) == [
        ((), '{"name": "x",'),
        (("café",), '"café": {"text": "line break "q" \U0001f600 \ufffd",'),
        (("café", "inner"), '"inner": {'),
        (("café", "inner", "a"), '"a": [1]}},'),
        (("list",), '"list": [{"b": 1}]}'),
    ]


@pytest.mark.parametrize(
    "source", ['{"a": [', '"' * 20_001, '\\"' * 20_000, "[" * 100_000, "}" * 1000, '{"a": {' * 10_000]
)
def test_malformed_json_is_text(source: str) -> None:
    assert extract("a.json", source.encode()).text


def test_json_lines() -> None:
    document = extract("a.jsonl", b'{"a": "x\\ty"}\n{"a": "\\u0436"}\n')
    assert document.text == '{"a": "x y"}\n{"a": "ж"}\n'
    assert document.spans[0].kind == "rows"


def test_yaml_and_toml() -> None:
    assert spans(extract("a.yml", b"# c\nserver:\n  host: x\n  ports:\n    - 1\nclient: \n  name: y\n")) == [
        ((), "# c"),
        (("server",), "server:\n  host: x"),
        (("server", "ports"), "ports:\n    - 1"),
        (("client",), "client: \n  name: y"),
    ]
    assert spans(extract("a.toml", b"x = 1\n[a.b]\ny = 2\n[[c]]\nz = 3\n")) == [
        ((), "x = 1"),
        (("a.b",), "[a.b]\ny = 2"),
        (("c",), "[[c]]\nz = 3"),
    ]


XML = """<?xml version="1.0" encoding="iso-8859-2"?>
<!DOCTYPE rss [<!ENTITY a "b">]>
<rss xml:lang="en-US"><channel><title>Feed ą</title>
<!-- no
comment -->
<item label="Spoken &amp; kept" id="1"><title>One &lt;b&gt;and&lt;/b&gt; only</title>
<description><![CDATA[<p>raw</p>]]></description></item>
</channel></rss>
"""


def test_xml() -> None:
    document = extract("a.xml", XML.encode("iso-8859-2"))
    assert (document.title, document.language) == ("Feed ą", "en")
    assert [(heading, " ".join(text.split())) for heading, text in spans(document)] == [
        (("Feed ą",), "Feed ą Spoken & kept"),
        (("Feed ą", "One and only"), "One and only raw"),
    ]
    assert document.text.split("\n")[6].strip() == "raw"
    assert document.text.count("\n") == XML.count("\n")


@pytest.mark.parametrize(
    "piece", ["<!--", "<![CDATA[", "<?", "<!A[", "<a '", '<a b="', "<a ", "</", "<a><title>", "&a;"]
)
def test_unclosed_xml_takes_linear_time(piece: str) -> None:
    extract("a.xml", piece.encode() * 50_000)


def test_subtitles() -> None:
    source = (
        "1\n00:00:01,000 --> 00:00:02,000\n<i>Hello</i> there\n&amp; you\n\n2\n00:00:03,000 --> "
        "00:00:04,000\n& you\nSecond {\\an8}cue\n"
    )
    document = extract("a.srt", source.encode())
    assert (document.text, document.lines) == ("Hello there\n& you\nSecond cue", (3, 4, 9))
    assert (
        extract(
            "a.vtt", b"WEBVTT\nKind: captions\n\nNOTE a note\nof lines\n\n01:02.000 --> 01:03.000 align:left\n<v Ann>Hi"
        ).text
        == "Hi"
    )


FB2 = """<?xml version="1.0" encoding="windows-1251"?><FictionBook><description><title-info><author>
<first-name>Анна</first-name><last-name>К</last-name></author><book-title>Книга</book-title><lang>ru-RU</lang></title-info>
</description><body><section><title><p>Глава первая</p></title><p>Текст про гавань.</p></section></body>
<binary id="c.jpg" content-type="image/jpeg">AAECAwQF
BgcICQ</binary></FictionBook>"""


def test_book_of_fb2() -> None:
    document = extract("a.fb2", FB2.encode("cp1251"))
    assert (document.title, document.language, document.metadata) == ("Книга", "ru", {"author": "Анна К"})
    assert document.text.count("\n") == FB2.count("\n")
    assert "AAEC" not in document.text and "BgcI" not in document.text and "<" not in document.text
    assert document.spans[-1].heading == ("Глава первая",)


@pytest.mark.parametrize("name", ["a.kml", "a.xlf", "a.unknown", "a"])
def test_xml_under_other_names(name: str) -> None:
    source = '<?xml version="1.0"?><kml><Placemark><name>The kestrel</name><b/>Near</Placemark></kml>'
    assert extract(name, source.encode()).text.split() == ["The", "kestrel", "Near"]


@pytest.mark.parametrize(
    "before", ["\ufeff\n <?xml version='1.0'?>\n", "<!-- by hand -->\n", "<!DOCTYPE kml SYSTEM 'x'>\n", ""]
)
def test_xml_without_its_suffix_is_known_by_its_form(before: str) -> None:
    source = before + '<kml xmlns="x"><name>The kestrel</name></kml>\n'
    assert extract("a.unknown", source.encode()).text.split() == ["The", "kestrel"]


@pytest.mark.parametrize("source", ["<kml> is a format", "<3 you </3>", "a <b>c</b>", "<a> <b> </a> end"])
def test_text_with_tags_is_no_xml(source: str) -> None:
    assert extract("a.unknown", source.encode()).text == source


def test_identifiers_of_a_book_are_no_text() -> None:
    about = "<document-info><id>77-aa</id></document-info></description>"
    text = extract("a.fb2", FB2.replace("</description>", about).encode("cp1251")).text
    assert "77-aa" not in text and "Текст про гавань." in text
    prefixed = FB2.replace("<binary", "<f:binary").replace("</binary", "</f:binary")
    assert "BgcI" not in extract("a.fb2", prefixed.encode("cp1251")).text


def test_sub_station_alpha() -> None:
    document = extract(
        "a.ass",
        b"[Script Info]\nTitle: A film\n[V4+ Styles]\nFormat: Name, Fontname\nStyle: Default,Arial\n\n[Events]\n"
        b"Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
        b"Dialogue: 0,0:00:01.00,0:00:03.00,Default,,0,0,0,,{\\i1}The kestrel{\\i0} sings,\\Nat dusk\n"
        b"Comment: 0,0:00:01.00,0:00:03.00,Default,,0,0,0,,secret\n"
        b"Dialogue: 1,0:00:01.00,0:00:03.00,Default,,0,0,0,,The kestrel sings, at dusk\n"
        b"Dialogue: 0,0:00:01.00,0:00:03.00,Default,,0,0,0,,{\\p1}m 0 0 l 1 1{\\p0}\n",
    )
    assert (document.title, document.text, document.lines) == ("A film", "The kestrel sings, at dusk", (9,))


def test_attributes_in_single_quotes() -> None:
    assert extract("a.xml", b"<a><b label='Nice &amp; kept'/></a>").text.split() == ["Nice", "&", "kept"]
