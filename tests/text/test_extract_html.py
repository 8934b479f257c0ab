"""HTML: the main text of pages, its source lines, and malformed pages."""

import pytest

from vsearch_core.model import Document
from vsearch_core.text.chunk import ChunkOptions, split
from vsearch_core.text.formats.html import extract

PAGE = """<!doctype html>
<html lang="en-GB"><head><title>The
  page</title>
<meta name="Description" content="What it is"><meta name=author content="A. Uthor">
<meta property="article:published_time" content="2024-01-02"><meta name=date content="later"></head>
<body><header><a href=/>Site</a></header><nav>menu</nav><aside>ads</aside>
<main><h1>Top <em>title</em></h1>
<p>Hello <b>wor</b>ld,
 second line<br>third</p>
<ul><li>one<li><p>two</p></ul>
<h2>Section</h2>
<pre>
def f():
    return 1
</pre>
<script>if (a < b) {
}</script><p>last</p>
</main><form>login</form><footer>foot</footer></body></html>"""


def read(text: str) -> Document:
    return extract("a.html", text.encode())


def body(content: str) -> str:
    return read(f"<html><body>{content}</body></html>").text


def test_page() -> None:
    document = read(PAGE)
    assert document.text == (
        "Top title\n\nHello world, second line\nthird\n\n- one\n- two\n\nSection\n\ndef f():\n    return 1\n\nlast"
    )
    assert (document.title, document.language) == ("The page", "en")
    assert document.metadata == {"description": "What it is", "author": "A. Uthor", "date": "2024-01-02"}
    assert [(document.text[span.start : span.end].strip().split("\n")[0], span.heading) for span in document.spans] == [
        ("Top title", ("Top title",)),
        ("Section", ("Top title", "Section")),
        ("def f():", ("Top title", "Section")),
        ("last", ("Top title", "Section")),
    ]


def test_lines_point_into_the_source() -> None:
    document = read(PAGE)
    assert document.lines is not None
    source = PAGE.split("\n")
    rows = document.text.split("\n")
    assert len(document.lines) == len(rows)
    for row, line in zip(rows, document.lines, strict=True):
        if row:
            assert row.removeprefix("- ").split()[0] in source[line - 1]


def test_lines_are_right_beyond_those_that_the_parser_counts() -> None:
    document = read("<body>" + "<p>x</p>\n" * 70_000 + "<script>\n\n</script><!--\n--><p>end</p>")
    assert document.lines is not None and document.lines[-1] == 70_004


@pytest.mark.parametrize(
    "hidden",
    [
        "<p hidden>x</p>",
        '<div style="color:red; display: none">x</div>',
        '<i aria-hidden="true">x</i>',
        "<style>x</style>",
        "<template><p>x</p></template>",
        "<noscript>x</noscript>",
        "<svg><title>x</title><text>x</text></svg>",
        "<!-- x -->",
        "<form>x</form>",
        '<div role="navigation">x</div>',
        "<footer>x</footer>",
    ],
)
def test_elements_without_text_are_left_out(hidden: str) -> None:
    assert body(f"<p>the text before{hidden}</p> tail") == "the text before\n\ntail"
    assert read(f"<body><p>the text</p>{hidden}</body>").title is None


def test_form_around_the_whole_page_is_kept() -> None:
    assert body("<form><p>all of the text</p><input value=x><button>Send</button></form>") == "all of the text"


def test_header_with_the_title_of_the_page_is_kept() -> None:
    assert body("<header><h1>Title</h1><nav>menu</nav></header><p>text</p>") == "Title\n\ntext"


def test_header_and_aside_within_an_article_are_kept() -> None:
    content = "<article><header>By me</header><p>text text</p><aside>Note</aside></article>"
    assert body(content + "<footer>foot</footer>") == "By me\n\ntext text\n\nNote"


def test_a_main_element_with_little_text_is_not_the_whole_page() -> None:
    assert body("<main>x</main><div>nearly all of the text is here</div>") == "x\n\nnearly all of the text is here"


def test_several_articles() -> None:
    assert body("<div>ad</div><article>one one</article><article>two two</article>") == "one one\n\ntwo two"


def test_a_page_of_navigation_only_is_kept() -> None:
    assert body("<nav><a>one</a> <a>two</a></nav>") == "one two"


def test_tables() -> None:
    table = "<table><caption>Cap</caption><thead><tr><th>a<th>b</thead><tr><td><p>1\n</p><td><b>2</b> x</table>"
    assert body(f"<p>before</p>{table}after") == "before\n\nCap\na | b\n1 | 2 x\n\nafter"


def test_a_layout_table_is_no_data() -> None:
    layout = "<table><tr><td><h1>T</h1><p>one</p></td><td><table><tr><td>1<td>2</table></td></tr></table>"
    assert body(layout) == "T\n\none\n\n1 | 2"


def test_inline_elements_do_not_split_words() -> None:
    assert body("<p>a<b>b</b>c <i> d </i>e&nbsp;f</p>") == "abc d e f"


def test_code_in_pre_keeps_its_lines() -> None:
    assert body("<pre><span>if</span> x:\n\n    <b>y</b>\n</pre>") == "if x:\n\n    y"


def test_broken_markup() -> None:
    assert body("<p>one<p>two</b></div><li>three<td>four") == "one\n\ntwo\n\n- three\n\nfour"


def test_entities() -> None:
    assert body("<p>&lt;&eacute;&#x4e2d;&amp;amp;&#xD800;</p>") == "<é中&amp;\ufffd"


@pytest.mark.parametrize("text", ["", "<!-- only -->", "<html></html>", "<p></p>", "<?xml version='1.0'?>"])
def test_empty(text: str) -> None:
    document = read(text)
    assert (document.text, document.spans) == ("", ())


def test_plain_text_under_an_html_name() -> None:
    assert read("just text").text == "just text"


def test_deep_nesting_loses_nothing() -> None:
    for depth in (2_000, 10_000):
        document = read("<body>first<br>\n" + "<div>" * depth + "<p>deep &amp; down</p>" + "</div>" * depth + "<p>last")
        assert document.text.split() == ["first", "deep", "&", "down", "last"]
        assert len(document.spans) == 1


def test_declared_encoding() -> None:
    page = "<html><head><meta charset=windows-1251></head><body>Да</body></html>"
    assert extract("a.html", page.encode("cp1251")).text == "Да"
    page = '<html><head><meta http-equiv="Content-Type" content="text/html; charset=gb2312"></head><body>中文</body>'
    assert extract("a.html", page.encode("gbk")).text == "中文"


def test_time_is_linear_in_the_number_of_elements() -> None:
    text = body("<table>" + "<tr><td>a<td>b" * 20_000 + "</table>" + "<ul>" + "<li>x" * 20_000)
    assert text.count("a | b") == 20_000 and text.count("- x") == 20_000


def blocks(content: str) -> list[tuple[str, str, str]]:
    document = read(f"<html><body>{content}</body></html>")
    return [(span.kind, document.text[span.start : span.end], span.header) for span in document.spans]


def test_code_and_tables_are_spans_of_their_own() -> None:
    rows = "<tr><th>name<th>age<tr><td>Bob<td>7"
    assert blocks(f"<p>a<pre>x\n\n y\n</pre><p>b<table><caption>C</caption>{rows}</table><p>c") == [
        ("prose", "a\n\n", ""),
        ("code", "x\n\n y\n", ""),
        ("prose", "\nb\n\nC\n", ""),
        ("rows", "name | age\nBob | 7\n", "name | age"),
        ("prose", "\nc", ""),
    ]


@pytest.mark.parametrize(
    "rows", ["<tr><td>name<td>age<tr><td>Bob<td>7", "<tr><th>name<td>Bob<tr><th>age<td>7", "<tr><th>a<th>b"]
)
def test_rows_without_a_header(rows: str) -> None:
    assert [(kind, header) for kind, _, header in blocks(f"<table>{rows}</table>")] == [("rows", "")]


def test_a_long_table_repeats_its_header_in_each_chunk() -> None:
    table = "<table><thead><tr><th>name<th>age</thead>" + "".join(f"<tr><td>N{n}<td>{n}\n" for n in range(200))
    document = read(f"<body><p>before</p>\n{table}</table>")
    chunks = split(document, ChunkOptions(50, 0))
    assert len(chunks) > 5
    assert all(chunk.text.startswith("name | age\nN") for chunk in chunks[1:])
    assert [chunk.start_line for chunk in chunks[1:]] == [
        3 + int(chunk.text.split("\n")[1].partition(" ")[0][1:]) - 1 for chunk in chunks[1:]
    ]


def test_a_table_in_a_listing_is_part_of_it() -> None:
    assert blocks("<pre>x <table><tr><td>1</table>\ny</pre>")[0][0] == "code"


@pytest.mark.parametrize(
    "link",
    [
        '<a class="headerlink" href="#x" title="Permalink">¶</a>',
        '<a href="#y">#</a>',
        '<a class="hash-link" href="/p#z">\u200b</a>',
        '<span class="mw-editsection">[<a href="/edit">edit</a>]</span>',
    ],
)
def test_permalinks_are_no_text(link: str) -> None:
    document = read(f"<main><h1>Guide{link}</h1><dl><dt>open(path){link}</dt><dd>Opens it.</dd></dl></main>")
    assert document.text == "Guide\n\nopen(path)\nOpens it."
    assert document.spans[0].heading == ("Guide",)


@pytest.mark.parametrize("word", ["[link]", "Permalink", "link", "[anchor]"])
def test_words_of_permalinks_are_no_part_of_headings(word: str) -> None:
    document = read(f'<main><h2>Kelp farming<a href="#k">{word}</a></h2><p>See <a href="#x">link</a>.</p></main>')
    assert document.text == "Kelp farming\n\nSee link."


def test_soft_hyphens_part_no_words() -> None:
    document = read("<main><h1>Soft&shy;ware</h1><p>super<wbr>market and hard&shy;ware</p></main>")
    assert (document.text, document.spans[0].heading) == ("Software\n\nsupermarket and hardware", ("Software",))


def test_links_that_say_something_stay() -> None:
    assert body('<p>See <a href="#1">1</a>, <a href="#c">C#</a> and <a class=anchor href="#d">the end</a>.</p>') == (
        "See 1, C# and the end."
    )


PROSE = "The kestrel was restored in the harbour by volunteers. " * 6
LINKS = "".join(f'<li><a href="/{number}">Entry {number}</a></li>' for number in range(9))


@pytest.mark.parametrize(
    "extra",
    [
        f'<div class="navbar"><ul>{LINKS}</ul></div>',
        f'<div id="main-menu" class=x><ul>{LINKS}</ul></div>',
        '<div class="cookie-banner">We use cookies. Accept all</div>',
        '<section id="gdpr-consent">We use cookies. <button>OK</button></section>',
        '<div class="site-footer">Copyright 2024</div>',
        '<div role="dialog">Sign up</div>',
        "<dialog>Sign up</dialog>",
        '<span aria-hidden="true">x</span>',
    ],
)
def test_boilerplate_without_its_elements(extra: str) -> None:
    assert body(f'{extra}<div class="content"><p>{PROSE}</p></div>{extra}') == PROSE.strip()


@pytest.mark.parametrize(
    "page",
    [
        f'<div class="menu"><p>{PROSE}</p></div>',
        f'<div class="menu">{PROSE[:60]}</div><p>{PROSE}</p>',
        f'<div class="cookie-notice">{PROSE * 20}</div>',
        f'<div class="nav">{LINKS}</div>',
    ],
)
def test_text_whose_class_resembles_a_menu_stays(page: str) -> None:
    assert "kestrel" in body(page) or "Entry 3" in body(page)


def test_a_page_hidden_while_a_dialog_is_open() -> None:
    assert body(f'<div aria-hidden="true"><p>{PROSE}</p></div><div role="dialog">Sign up</div>') == PROSE.strip()


def test_alternative_text_of_pictures() -> None:
    assert body('Look:<figure><img src=x alt="A kestrel"></figure> <img alt="x.png"><img alt="">end') == (
        "Look:\n\nA kestrel\n\nend"
    )
    assert body('<h1><img alt="Build passing">Title</h1>') == "Title"


def test_text_that_only_scripts_would_show() -> None:
    article = '{"@graph": [{"@type": "NewsArticle", "headline": "News", "articleBody": "It was restored."}]}'
    script = f'<script type="application/ld+json">{article}</script>'
    assert read(f"<html><head>{script}</head><body><div id=root></div></body></html>").text == "News It was restored."
    assert read(f"<html><head>{script}</head><body><p>{PROSE}</p></body></html>").text == PROSE.strip()
    assert body("<div></div><noscript><p>It was restored.</p></noscript>") == "It was restored."
    assert body(f"<p>{PROSE}</p><noscript>Turn it on.</noscript>") == PROSE.strip()
    assert body("<x-card><template shadowrootmode=open><p>Shown.</p></template></x-card>") == "Shown."
    assert body("<script type='application/ld+json'>{</script>" + "[" * 9) == "[" * 9
    marked = '{"articleBody": "<p>It was <b>restored</b> &amp; opened.</p>"}'
    for before, after in (("", ""), ("<!--", "-->"), ("/*<![CDATA[*/", "/*]]>*/"), ("//<![CDATA[\n", "\n//]]>")):
        read_body = body(f"<script type='application/ld+json'>{before}{marked}{after}</script>")
        assert read_body.split() == ["It", "was", "restored", "&", "opened."]


def test_many_nested_menus_take_linear_time() -> None:
    opening = '<div class="menu" aria-hidden="true"><a href="#">'
    assert isinstance(body(opening * 900 + "x " * 100_000), str)
