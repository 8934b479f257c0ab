"""Source code: where definitions begin and end, in several languages, compared with Python's own parser."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from vsearch_core.model import Document
from vsearch_core.text.extract.registry import extract


def lines_of(document: Document) -> dict[int, str]:
    """Return the enclosing definitions of each line."""
    found = {}
    for span in document.spans:
        first = document.text.count("\n", 0, span.start) + 1
        for offset, line in enumerate(document.text[span.start : span.end].split("\n")):
            if line.strip():
                found[first + offset] = ".".join(span.heading)
    return found


PYTHON = '''"""Doc."""
import os

# about f
@wraps
async def f(a,
      b):
    return 1

X = 1


class A(B):
    x = 1

    def m(self):
        def inner():
            pass
        return inner

    y = 2


if X:
    f()
'''
C = """#include <x.h>

/* adds */
static inline unsigned add(int a, const char *b)
{
    if (a) {
        return b;
    }
}

struct point {
    int x;
};

int main(void) {
    while (go(1)) { run(); }
}
"""
SCRIPT = """import x from "x";
export default class Foo extends Bar {
  constructor(a) {
    super(a);
  }
  async load(url) {
    if (a) {
      b();
    }
  }
}
const go = async (a, b) => {
  return 1;
};
function plain() { return 2; }
let z = 3;
"""
RUST = """use x;
#[derive(Debug)]
pub struct P { x: i32 }
impl<T> Show for P<T> {
    pub fn new() -> Self {
        P { x: 1 }
    }
}
fn main() {}
"""
JAVA = """package a;
@Entity
public final class Foo extends Bar {
    private int x;
    @Override
    public List<String> names(Map<String, Integer> by) throws E {
        return null;
    }
}
"""
GO = "package a\n\ntype P struct {\n\tX int\n}\n\nfunc (p *P) Do(x int) error {\n\treturn nil\n}\n"
RUBY = "module A\n  class B\n    def go?(x)\n      1\n    end\n  end\nend\nputs 1\n"
SHELL = "x=1\nrun() {\n  echo\n}\nfunction stop {\n  echo\n}\nrun\n"
PERL = "package A::B;\n\nsub run {\n  my ($x) = @_;\n}\n1;\n"
HASKELL = (
    "module A where\n\ndata Tree = Leaf\n  | Node\n\nstep :: Int -> Int\nstep x = x + 1\n\n"
    "instance Show Tree where\n  show _ = x\n"
)
SQL = "select 1;\nCREATE TABLE IF NOT EXISTS t (\n  a int\n);\nselect 2;\n"


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        (
            "a.py",
            PYTHON,
            {1: "", 4: "f", 5: "f", 8: "f", 10: "", 13: "A", 16: "A.m", 18: "A.m.inner", 19: "A.m", 21: "A", 24: ""},
        ),
        ("a.c", C, {1: "", 3: "add", 7: "add", 9: "add", 11: "point", 12: "point", 15: "main", 16: "main"}),
        (
            "a.ts",
            SCRIPT,
            {1: "", 2: "Foo", 4: "Foo.constructor", 7: "Foo.load", 8: "Foo.load", 13: "go", 15: "plain", 16: ""},
        ),
        ("a.rs", RUST, {1: "", 2: "P", 3: "P", 4: "Show for P<T>", 6: "Show for P<T>.new", 9: "main"}),
        ("a.java", JAVA, {1: "", 2: "Foo", 4: "Foo", 5: "Foo.names", 7: "Foo.names"}),
        ("a.go", GO, {1: "", 3: "P", 4: "P", 7: "Do", 8: "Do"}),
        ("a.rb", RUBY, {1: "A", 2: "A.B", 3: "A.B.go?", 4: "A.B.go?", 8: ""}),
        ("a.sh", SHELL, {1: "", 2: "run", 3: "run", 5: "stop", 8: ""}),
        ("a.pl", PERL, {1: "A::B", 3: "run", 4: "run"}),
        ("a.hs", HASKELL, {1: "A", 3: "Tree", 4: "Tree", 6: "step", 7: "step", 9: "Show Tree", 10: "Show Tree"}),
        ("a.R", "x <- 1\nadd <- function(a) {\n  a\n}\ny = 2\n", {1: "", 2: "add", 4: "add", 5: ""}),
        ("a.tf", 'resource "aws_x" "y" {\n  a = 1\n}\nlocals {\n}\n', {2: 'resource "aws_x" "y"', 4: "locals"}),
        ("a.jl", "module A\nfunction f!(x)\n  x\nend\ng(x) = 2\n", {2: "f!", 4: "f!", 5: "g"}),
        ("a.ps1", "$x = 1\nfunction Get-It {\n  2\n}\n", {1: "", 2: "Get-It", 4: "Get-It"}),
        ("a.clj", "(ns a.b)\n(defn go [x]\n  x)\n", {1: "a.b", 2: "go", 3: "go"}),
        ("a.erl", "go(X) ->\n    X.\n", {1: "go", 2: "go"}),
        ("a.ml", "let rec go x =\n  x\n", {1: "go", 2: "go"}),
        ("a.f90", "subroutine go(x)\n  x = 1\nend subroutine\n", {1: "go", 2: "go", 3: "go"}),
        ("a.vb", "Public Sub Go()\n  x = 1\nEnd Sub\n", {1: "Go", 2: "Go"}),
        ("a.proto", "message P {\n  int32 x = 1;\n}\n", {1: "P", 2: "P", 3: "P"}),
        ("a.m", "@implementation P\n- (int)go:(int)x {\n  return x;\n}\n@end\n", {2: "go", 4: "go"}),
        ("a.cu", "__global__ void go(int x) {\n  x = 1;\n}\n", {1: "go", 2: "go", 3: "go"}),
        ("a.tcl", "proc go {x} {\n  return $x\n}\n", {1: "go", 2: "go", 3: "go"}),
        ("a.vim", "function! go(x)\n  return a:x\nendfunction\n", {1: "go", 2: "go"}),
        ("a.graphql", "type P {\n  name: String\n}\nquery Go { p { name } }\n", {1: "P", 2: "P", 4: "Go"}),
        ("a.cmake", "function(go x)\n  message(${x})\nendfunction()\n", {1: "go", 2: "go"}),
        ("a.vhd", "entity go is\n  port (a : in bit);\nend entity;\n", {1: "go", 2: "go", 3: "go"}),
        ("a.sql", SQL, {1: "", 2: "t", 3: "t", 5: ""}),
    ],
)
def test_definitions(name: str, source: str, expected: dict[int, str]) -> None:
    document = extract(name, source.encode())
    assert document.text == source
    assert {span.kind for span in document.spans} == {"code"}
    found = lines_of(document)
    assert {line: found[line] for line in expected} == expected


@pytest.mark.parametrize(
    ("name", "licence"),
    [
        ("a.c", "/*\n * Copyright 2020 X. All rights reserved.\n * Licensed under Y\n * without warranty.\n */\n"),
        ("a.py", "#!/usr/bin/env python\n# Copyright 2020 X\n# Licensed under Y\n# All rights reserved.\n"),
        ("a.js", "// Copyright 2020 X\n// Licensed under Y\n// All rights reserved.\n"),
    ],
)
def test_a_licence_at_the_top_is_left_out(name: str, licence: str) -> None:
    document = extract(name, (licence + "x = 1\n").encode())
    assert (document.text[document.spans[0].start :], len(document.spans)) == ("x = 1\n", 1)


def test_a_comment_at_the_top_that_is_no_licence_stays() -> None:
    source = "# Reads licences from copyright files.\n# Then it writes.\nx = 1\n"
    assert extract("a.py", source.encode()).spans[0].start == 0


def enclosing(body: list[ast.stmt], trail: tuple[str, ...] = ()) -> Iterator[tuple[int, int, str]]:
    for node in body:
        for inner in (
            ast.walk(node) if not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef) else [node]
        ):
            if isinstance(inner, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
                name = (*trail, inner.name)
                first = min([inner.lineno, *(decorator.lineno for decorator in inner.decorator_list)])
                yield first, inner.body[-1].end_lineno or 0, ".".join(name)
                yield from enclosing(inner.body, name)


def test_definitions_agree_with_the_parser_of_python() -> None:
    """Compare the definition of each line, without comments, in files of the standard library."""
    right = wrong = 0
    folder = Path(ast.__file__).parent
    for path in sorted(folder.glob("[a-d]*.py")):
        source = path.read_text(encoding="utf-8")
        rows = source.split("\n")
        true: dict[int, str] = {}
        for first, last, name in enclosing(ast.parse(source).body):
            true.update(dict.fromkeys(range(first, last + 1), name))
        found = lines_of(extract(path.name, source.encode()))
        for line, name in true.items():
            if line in found and not rows[line - 1].lstrip().startswith("#"):
                right += found[line] == name
                wrong += found[line] != name
    assert right > 10_000
    assert right >= 0.97 * (right + wrong)
