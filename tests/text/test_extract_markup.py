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
    assert document.text.count("\n") == source.count("\n")
    assert spans(document) == [
        (("Title",), "prose", "= Title\n\n\n\n\nIntro."),
        (("Title", "One"), "prose", "== One"),
        (("Title", "One"), "code", "----\n== no\n----"),
        (("Title", "One", "Two"), "prose", "=== Two\nend"),
    ]


def test_comments_and_attributes_of_asciidoc() -> None:
    source = (
        "// SPDX: MIT\n////\n== no\n////\n= The {product} Manual\nAda B <a@x.org>\nv1.0, 2024-03-01\n:toc:\n"
        ":product: Kestrel\n\n== Using {product}\n\n// secret\nNOTE: Mind {this}.\n\n----\n// code\n----\n"
        "http://x\n"
    )
    document = extract("a.adoc", source.encode())
    assert document.title == "The Kestrel Manual"
    assert document.metadata == {"author": "Ada B", "version": "1.0", "date": "2024-03-01"}
    assert document.text.count("\n") == source.count("\n")
    assert spans(document) == [
        (("The Kestrel Manual",), "prose", "= The Kestrel Manual"),
        (("The Kestrel Manual", "Using Kestrel"), "prose", "== Using Kestrel\n\n\nNOTE: Mind {this}."),
        (("The Kestrel Manual", "Using Kestrel"), "code", "----\n// code\n----"),
        (("The Kestrel Manual", "Using Kestrel"), "prose", "http://x"),
    ]


def test_header_of_asciidoc_with_conditions_and_underlined_titles() -> None:
    source = (
        "The Manual\n==========\nAda B <a@x.org>\n:tool: Sluice\nifdef::github[]\n:!toc:\nendif::[]\n// a comment\n"
        ":long: one \\\n  two\n\nSetup of {tool} [[setup]]\n------------------------\n\nwords\n\n"
        "not a title:\n----\ncode\n----\n"
    )
    document = extract("a.adoc", source.encode())
    assert (document.title, document.metadata) == ("The Manual", {"author": "Ada B"})
    assert document.text.count("\n") == source.count("\n")
    assert [(heading, text.split()) for heading, _, text in spans(document)] == [
        (("The Manual",), ["=", "The", "Manual"]),
        (
            ("The Manual", "Setup of Sluice"),
            ["==", "Setup", "of", "Sluice", "[[setup]]", "words", "not", "a", "title:"],
        ),
        (("The Manual", "Setup of Sluice"), ["----", "code", "----"]),
    ]


def test_states_planning_and_comments_of_org() -> None:
    source = (
        "#+TODO: PROJ(p) WAIT | SHIPPED(s)\n* PROJ [#A] Build it :work:\nSCHEDULED: <2024-03-12 Tue> "
        "DEADLINE: <2024-03-13>\n"
        "ask\n# a comment\n#hashtag\n* COMMENT Private\nhidden\n** Deep\n:LOGBOOK:\n:END:\nhidden\n"
        "* SHIPPED Last\nCLOSED: [2024-03-13 Wed]\n"
        "SCHEDULED: is a word\n"
    )
    document = extract("a.org", source.encode())
    assert spans(document) == [
        (("Build it",), "prose", "* PROJ [#A] Build it :work:"),
        (("Build it",), "prose", "ask"),
        (("Build it",), "prose", "#hashtag"),
        (("Last",), "prose", "* SHIPPED Last"),
        (("Last",), "prose", "SCHEDULED: is a word"),
    ]


def test_states_that_org_declares_anywhere() -> None:
    source = (
        "* HOLD Paint it\nCLOCK: [2024-03-01 Fri 10:00]--[2024-03-01 Fri 11:00] =>  1:00\n  #+todo: HOLD | OFF\nend"
    )
    assert spans(extract("a.org", source.encode())) == [
        (("Paint it",), "prose", "* HOLD Paint it"),
        (("Paint it",), "prose", "end"),
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


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (r"The kestrel\footnote{Seen near the \emph{harbour}.} was", "The kestrel (Seen near the harbour.) was"),
        (r"A\footnote{Let $x$ be} b", "A Let $x$ be b"),
        (r"see \href{http://x.org/a_b}{the page}, \url{http://x.org}", "see the page, http://x.org"),
        (r"\textcolor{red}{hot} \colorbox{blue}{cold}", "hot cold"),
        (r"\begin{tabular}{|l|r|}\hline a & b \\ \multicolumn{2}{c}{all} \\\end{tabular}", "a | b   all"),
        (r"\begin{tabularx}{\textwidth}[t]{@{}lX@{}} a \end{tabularx}", "a"),
        (r"\begin{figure}[htbp]\centering\caption{A plan}\end{figure}", "A plan"),
        (r"We sell \prod{} and \prod.", "We sell KestrelSoft and KestrelSoft."),
        (r"\newcommand{\x}{y}We \emphx{stress} \outer{} 5 \& 6", "We stress in KestrelSoft 5 & 6"),
        (r"\pair{gate}{lock}, \pair {a}", "gate with lock, a with"),
        (r"\unit[km]{5}, \unit{6}, \old{7}{8}", "5 km, 6 m, 8 7"),
        (r"\doc{a}{b \emph{c}} d", "b ca d"),
        (
            r"see \url{http://x.org/a%20b} and \href{http://x.org/50%25}{the page} % gone",
            "see http://x.org/a%20b and the page",
        ),
        (r"\begin{tabular}{ll}\cmidrule(lr){1-2} a & b\end{tabular}\marginnote{seen}c", "a | b (seen)c"),
    ],
)
def test_commands_of_latex(source: str, text: str) -> None:
    preamble = (
        r"\newcommand{\prod}{KestrelSoft}\newcommand\emphx[1]{\textbf{#1}}\def\outer{in \prod{}}"
        r"\newcommand{\loop}{\loop\loop}\newcommand{\pair}[2]{#1 with #2}\newcommand{\unit}[2][m]{#2 #1}"
        r"\def\old#1#2{#2 #1}\NewDocumentCommand{\doc}{m m}{#2#1}"
    )
    document = extract("a.tex", f"{preamble}\\begin{{document}}{source}\\end{{document}}".encode())
    assert document.text.strip() == text


@pytest.mark.parametrize(
    "piece",
    [
        "\\href{",
        "\\footnote{a",
        "\\newcommand{\\a}{",
        "\\begin{tabular}[",
        "\\multicolumn{2}{",
        "\\textcolor[",
        "\\def\\a#1#2",
        "\\loop ",
        "\\two{a",
        "\\two[a]  ",
        "\\two[",
        "\\url{a",
    ],
)
def test_unclosed_commands_of_latex_take_linear_time(piece: str) -> None:
    preamble = b"\\newcommand{\\two}[2][a]{#1#2}"
    extract(
        "a.tex", preamble + b"\\newcommand{\\loop}{" + b"\\loop" * 90 + b"}\\begin{document}" + piece.encode() * 20_000
    )


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
