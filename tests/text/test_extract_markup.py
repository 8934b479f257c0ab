"""AsciiDoc, Org, LaTeX and manual pages: headings, code, and source lines."""

import pytest

from vsearch_core.model import Document
from vsearch_core.text.extract.registry import extract


def spans(document: Document) -> list[tuple[tuple[str, ...], str, str]]:
    return [
        (span.heading, span.kind, document.text[span.start : span.end].strip())
        for span in document.spans
        if document.text[span.start : span.end].strip()
    ]


def test_asciidoc() -> None:
    source = (
        "= Title\nAnn Lee <a@x.org>; Bo Li <b@x.org>\n:keywords: a, b\n:lang: de\n\nIntro.\n\n== "
        "One\n\n----\n== no\n----\n\n=== Two\nend"
    )
    document = extract("a.adoc", source.encode())
    assert (document.title, document.language) == ("Title", "de")
    assert document.metadata == {"author": "Ann Lee; Bo Li", "keywords": "a, b"}
    assert document.text == source
    assert spans(document)[1:] == [
        (("Title", "One"), "prose", "== One"),
        (("Title", "One"), "code", "----\n== no\n----"),
        (("Title", "One", "Two"), "prose", "=== Two\nend"),
    ]


def test_org() -> None:
    source = (
        "#+TITLE: T\n#+author: A\nIntro\n* TODO [#A] One :tag:\n:PROPERTIES:\n:ID: "
        "x\n:END:\ntext\n#+begin_src c\n* no\n#+end_src\n** Two\nend"
    )
    document = extract("a.org", source.encode())
    assert (document.title, document.metadata, document.text) == ("T", {"author": "A"}, source)
    assert spans(document) == [
        ((), "prose", "Intro"),
        (("One",), "prose", "* TODO [#A] One :tag:"),
        (("One",), "prose", "text"),
        (("One",), "code", "#+begin_src c\n* no\n#+end_src"),
        (("One", "Two"), "prose", "** Two\nend"),
    ]


LATEX = r"""\documentclass{article}
\title{A \emph{fine} paper}
\author{J. D\"oe \and K}
\begin{document}
\section{Intro}\label{s} % no comment
We \textbf{show} $x_{1}^2$ and 50\% of it~\cite{a}. Stra\ss e, \'etude, na\"{\i}ve.
\begin{verbatim}
\section{no}
\end{verbatim}
\subsection*{Deep}
``Quoted'' --- done.
\end{document}
"""


def test_latex() -> None:
    document = extract("a.tex", LATEX.encode())
    assert (document.title, document.metadata) == ("A fine paper", {"author": "J. Döe , K"})
    assert spans(document) == [
        (("Intro",), "prose", "Intro \nWe show $x_{1}^2$ and 50% of it . Straße, étude, naïve."),
        (("Intro",), "code", "\\begin{verbatim}\n\\section{no}\n\\end{verbatim}"),
        (("Intro", "Deep"), "prose", "Deep\n“Quoted” — done."),
    ]
    assert document.text.split("\n")[10] == LATEX.split("\n")[10].replace("``", "“").replace("''", "”").replace(
        "---", "—"
    )
    assert document.text.count("\n") == LATEX.count("\n")


MAN = """.\\" comment
.TH LS 1 "January 2024" "GNU" "User Commands"
.SH NAME
ls \\- list directory contents
.SH SYNOPSIS
.B ls
[\\fIOPTION\\fR]...
.SS "Sub part"
.PP
Text \\(lqquoted\\(rq.
"""
MDOC = ".Dd May 1\n.Dt CAT 1\n.Sh NAME\n.Nm cat\n.Nd concatenate\n.Op Fl u\n"


def test_a_manual_page_may_begin_with_macros_of_its_own() -> None:
    preamble = """.\\" Written by hand
.pc ""
.de1 Margin
level \\\\n[an-margin]
..
.de CW
.ft CW
..
.ie n \\{\\
'br\\}
"""
    found = extract("a.1", f"{preamble}.TH A 1\n.SH NAME\na \\- an example\n".encode())
    assert (found.title, found.text.strip()) == ("A(1)", "NAME\na - an example")
    assert found.text.count("\n", 0, found.text.index("an example")) == preamble.count("\n") + 2


def test_manual_pages() -> None:
    document = extract("ls.1.gz", __import__("gzip").compress(MAN.encode()))
    assert document.title == "LS(1)"
    assert spans(document) == [
        (("NAME",), "prose", "NAME\nls - list directory contents"),
        (("SYNOPSIS",), "prose", "SYNOPSIS\nls\n[OPTION]..."),
        (("SYNOPSIS", "Sub part"), "prose", "Sub part\n\nText “quoted”."),
    ]
    assert document.text.count("\n") == MAN.count("\n")
    assert spans(extract("cat.1", MDOC.encode())) == [(("NAME",), "prose", "NAME\ncat\nconcatenate\nu")]


@pytest.mark.parametrize("name", ["app.log.1", "notes.7"])
def test_a_numbered_log_is_no_manual_page(name: str) -> None:
    assert extract(name, b".5 of it\nand\n").text == ".5 of it\nand\n"
