"""Source code: where definitions begin and end, in several languages, compared with Python's own parser."""

import ast
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vsearch_core.model import Document
from vsearch_core.text.extract.registry import FORMATS, SOURCE_CODE, extract
from vsearch_core.text.formats.code import MAX_LINE
from vsearch_core.text.formats.code_languages import LANGUAGES, Language


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
COBOL = (
    "       IDENTIFICATION DIVISION.\n       PROGRAM-ID. GATE.\n       PROCEDURE DIVISION.\n      * note\n"
    "       OPEN-GATE.\n           EXIT.\n       SHUT-GATE.\n"
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
        ("b.sql", "create view v as\nselect a\nfrom t;\nselect 2;\n", {1: "v", 3: "v", 4: ""}),
        ("a.cob", COBOL, {2: "GATE", 3: "PROCEDURE DIVISION", 5: "OPEN-GATE", 6: "OPEN-GATE", 7: "SHUT-GATE"}),
        ("a.adb", "procedure Go is\n  X : Integer;\nbegin\n  null;\nend Go;\n", {1: "Go", 3: "Go", 5: "Go"}),
        ("a.d", "import std;\nint go(int x) {\n  return x;\n}\n", {1: "", 2: "go", 4: "go"}),
        (
            "Makefile",
            "X := 1\n.PHONY: all\nall: $(X)\n\tgo\n%.o: %.c\n\tcc\nY = 2\n",
            {2: "", 4: "all", 6: "%.o", 7: ""},
        ),
        ("Dockerfile", "FROM a AS build\nRUN x\nFROM b\nCOPY y z\n", {1: "a AS build", 2: "a AS build", 4: "b"}),
        ("CMakeLists.txt", "project(x)\nfunction(go)\n  y()\nendfunction()\nz()\n", {1: "", 3: "go", 4: "go", 5: ""}),
        ("Jenkinsfile", "pipeline {\n  stage('Build') {\n    sh 'x'\n  }\n}\n", {3: "pipeline.stage('Build')"}),
        ("a.v", "module gate(input a);\n  assign b = a;\nendmodule\n", {1: "gate", 2: "gate", 3: "gate"}),
        ("b.v", "Lemma go : x = x.\nProof. auto. Qed.\n", {1: "go", 2: "go"}),
        ("c.v", "fn go() {\n\tx\n}\n", {1: "go", 2: "go"}),
        ("b.pl", "parent(a, b).\nparent(b, c).\nold(X) :-\n  parent(X, _).\n", {1: "parent", 2: "parent", 4: "old"}),
        ("a.pro", "pro go, x\nprint, x\nend\n", {1: "go", 2: "go"}),
        ("b.m", "function y = go(x)\ny = x;\nend\n", {1: "go", 2: "go"}),
        ("a.pp", "class web {\n  package { 'x': }\n}\n", {1: "web", 2: "web"}),
        ("b.pp", "procedure Go;\nvar x: Integer;\nbegin\n  x := 1;\nend;\n", {1: "Go", 3: "Go", 4: "Go"}),
        ("a.coffee", "go = (x) ->\n  x + 1\ny = 2\n", {1: "go", 2: "go", 3: ""}),
        ("a.nix", "{\n  go = x: y: {\n    a = 1;\n  };\n}\n", {2: "go", 3: "go"}),
        ("a.bat", "set x=1\n:go\necho x\ngoto :eof\n", {1: "", 2: "go", 4: "go"}),
        ("a.cl", "__kernel void go(int x) {\n  x;\n}\n", {1: "go", 2: "go"}),
        ("b.cl", "(defun go (x)\n  x)\n", {1: "go", 2: "go"}),
        ("a.sas", "%macro go(x);\ndata y;\n%mend;\n", {1: "go", 2: "data y"}),
        ("a.do", "capture program drop go\nprogram define go\n  x\nend\n", {1: "", 2: "go", 3: "go"}),
        ("a.st", "Object subclass: #P\n  x\nP >> go\n  ^ x\n", {1: "P", 3: "P >> go"}),
        ("b.st", "FUNCTION_BLOCK P\nx := 1;\nEND_FUNCTION_BLOCK\n", {1: "P", 2: "P"}),
        ("a.s", "\t.text\ngo:\n\tret\n", {1: "", 2: "go", 3: "go"}),
        ("a.gradle", "task go(type: X) {\n  y\n}\ndependencies {\n  z\n}\n", {2: "go", 5: "dependencies"}),
        ("a.feature", "Feature: Gate\n  Scenario: Open it\n    When x\n", {3: "Feature: Gate.Scenario: Open it"}),
        ("a.robot", "*** Test Cases ***\nOpen The Gate\n    Click    x\n", {3: "Open The Gate"}),
        ("a.f", "      SUBROUTINE GO(X)\nC     note\n      X = 1\n      END\n", {1: "GO", 3: "GO"}),
        ("b.f90", "module m\ncontains\nsubroutine go(x)\nx = 1\nend subroutine\nend module\n", {2: "m", 4: "go"}),
        ("a.odin", "go :: proc() {\n\tx\n}\n", {1: "go", 2: "go"}),
        ("a.lean", "theorem go : x := by\n  simp\n", {1: "go", 2: "go"}),
        ("a.fth", ": go ( x )\n  dup ;\n", {1: "go", 2: "go"}),
        ("a.bicep", "param x string\nresource go 'a' = {\n  b: x\n}\n", {1: "x", 2: "go", 3: "go"}),
        ("a.sml", "fun go x =\n  x\n", {1: "go", 2: "go"}),
        ("a.wl", "go[x_] := Module[{y},\n  y]\n", {1: "go", 2: "go"}),
        ("a.abap", "FORM go.\nx = 1.\nENDFORM.\n", {1: "go", 2: "go"}),
        ("a.vhdl", "architecture a of b is\nbegin\n  p : process(c)\n  begin\n    d;\n", {2: "a", 5: "a.p"}),
        ("run", "#!/usr/bin/env -S python3 -u\nx = 1\ndef go():\n    y\n", {1: "", 3: "go", 4: "go"}),
        ("start", "#!/bin/sh -e\nx=1\ngo() {\n  x\n}\n", {2: "", 3: "go", 5: "go"}),
        ("a.nomad", 'job "x" {\n  y = 1\n}\n', {1: 'job "x"', 2: 'job "x"'}),
    ],
)
def test_definitions(name: str, source: str, expected: dict[int, str]) -> None:
    document = extract(name, source.encode())
    assert document.text == source
    assert {span.kind for span in document.spans} == {"code"}
    found = lines_of(document)
    assert {line: found[line] for line in expected} == expected


def test_every_suffix_of_a_program_has_a_language() -> None:
    programs = next(row for row in FORMATS if row.name == SOURCE_CODE)
    assert set(programs.suffixes) == set[str]().union(*(language.suffixes for language in LANGUAGES))


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: min(language.suffixes))
@pytest.mark.parametrize(
    "unit", ["a ", "a", "(", "a(", "a = ", "[a] ", "public ", "function ", "create ", "proc ", "a:", "\t"]
)
def test_long_lines_take_linear_time(language: Language, unit: str) -> None:
    began = time.process_time()
    language.definition.match(unit * (MAX_LINE // len(unit)) + "\n" + unit * 20_000)
    assert time.process_time() - began < 0.2


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
