"""The programming languages that `code` divides at definitions.

For each, a regular expression finds the first line of a definition. All take linear time.
"""

import re
from dataclasses import dataclass

_NAME = r"(?P<name>[^\W\d][\w$]*)"
_BRACES = (  # modifiers, then a word that begins a definition, then its name
    r"(?:(?:export|default|public|private|protected|internal|static|abstract|final|sealed|partial|async|virtual"
    r"|override"
    r"|open|data|case|inline|unsafe|extern|pub(?:\([^)\n]{0,40}\))?|const|declare|readonly|mut|typedef|suspend|implicit"
    r"|constexpr|explicit|mutating)\s+){0,6}"
)
_TYPES = r"class|interface|enum|struct|trait|namespace|record|module|mod|union|protocol|extension|object|impl|type"
_PYTHON = re.compile(rf"[ \t]*(?:async[ \t]+def|def|class)[ \t]+{_NAME}[ \t]*[(:\[]")
_RUBY = re.compile(r"[ \t]*(?:def|class|module|defmodule|defp?|function)[ \t]+(?:self\.)?(?P<name>[\w.:?!]+)")
_LUA = re.compile(r"[ \t]*(?:local[ \t]+)?function[ \t]+(?P<name>[\w.:]+)")
_SHELL = re.compile(r"[ \t]*(?:function[ \t]+(?P<other>[\w:.-]+)|(?P<name>[\w:.-]+)[ \t]*\(\))[ \t]*(?:\(\))?[ \t]*\{?")
_GO = re.compile(rf"(?:func[ \t]+(?:\([^)\n]*\)[ \t]*)?|type[ \t]+){_NAME}")
_RUST = re.compile(
    rf"[ \t]*{_BRACES}(?:(?:fn|struct|enum|trait|mod|union|macro_rules!)[ \t]+{_NAME}"
    rf"|impl(?:<[^>\n]*>)?[ \t]+(?P<other>[^{{\n]+?)[ \t]*(?:where\b[^{{\n]*)?\{{)"
)
_SCRIPT = re.compile(  # JavaScript, TypeScript, PHP
    rf"[ \t]*{_BRACES}(?:(?:function\*?|class|interface|enum|namespace|trait)[ \t]+&?{_NAME}"
    r"|(?:const|let|var)[ \t]+(?P<other>[\w$]+)[ \t]*=[ \t]*(?:async[ \t]*)?"
    r"(?:function\b|\([^()\n]*\)[^=\n]*=>|[\w$]+[ \t]*=>)"
    rf"|(?:get[ \t]+|set[ \t]+|\*[ \t]*)?"
    r"(?P<third>(?!(?:if|for|while|switch|catch|return|with|function|await|typeof)\b)"
    rf"[#\w$]+)[ \t]*\([^()\n;]*\)[^;,(){{}}\n]*\{{[ \t]*$)",
    re.MULTILINE,
)
_C = re.compile(  # C, C++, Java, C#, Kotlin, Scala, Swift, Dart
    rf"[ \t]*(?:(?:template[ \t]*<[^\n]*>[ \t]*)?{_BRACES}"
    rf"(?:(?:{_TYPES})(?:[ \t]+class)?|func?|fun|def|fn)[ \t]+{_NAME}[^;\n]*$"
    r"|(?!(?:if|for|while|switch|catch|return|else|do|new|throw|using|case|delete|await|goto|sizeof|synchronized)\b)"
    r"[^\W\d][\w \t*&<>,.:\[\]?~@]{0,150}?(?P<other>[~\w:]{1,80})[ \t]*\([^;{}=]{0,400}\)"
    r"[^;={}()\n]{0,200}(?:\n[ \t]*)?\{)",
    re.MULTILINE,
)
_SQL = re.compile(  # to the end of the statement
    r"[ \t]*(?:create\s+(?:or\s+replace\s+)?(?:\w+\s+){0,3}?(?:table|view|function|procedure|trigger|index|type|schema"
    r"|package(?:\s+body)?|sequence|domain|macro|policy|event|rule)\s+(?:if\s+not\s+exists\s+)?"
    r"(?P<name>[\w.\"`\[\]]+)(?:[^;\n]|\n(?![ \t]*(?:create|alter|go)\b)){0,5000}"
    r"|(?:procedure|function)[ \t]+(?P<other>\w+))",
    re.IGNORECASE,
)
_PERL = re.compile(r"[ \t]*(?:sub|package|method|class|role)[ \t]+(?P<name>[^\W\d][\w:']*)")
_HASKELL = re.compile(
    r"(?:(?:data|newtype|type(?:[ \t]+family)?|class|instance"
    r"|module)[ \t]+(?P<other>[^\s=({][^\n=]{0,80}?)(?=[ \t]*(?:=|\bwhere\b|$))"
    r"|(?P<name>[a-z_][\w']*)(?:[ \t]*::|(?:[ \t]+[\w'(\[_\"~!@][^=|\n]{0,200})?[ \t]*[=|](?![=>|])))",
    re.MULTILINE,
)
_R = re.compile(
    r"[ \t]*(?:(?P<name>[A-Za-z.][\w.]*|`[^`\n]{1,80}`)[ \t]*(?:<-|=)[ \t]*function\b"
    r"|set(?:Class|Generic|Method|RefClass)\([ \t]*[\"'](?P<other>[^\"'\n]{1,80})[\"'])"
)
_POWERSHELL = re.compile(r"[ \t]*(?:function|filter|workflow|class|enum)[ \t]+(?P<name>[^\W\d][\w:-]*)", re.IGNORECASE)
_TERRAFORM = re.compile(r"(?P<other>\w+(?:[ \t]+\"[^\"\n]{1,80}\"){1,2}|locals|terraform)[ \t]*\{")
_JULIA = re.compile(
    r"[ \t]*(?:@\w+[ \t]+)*(?:function|macro|(?:mutable[ \t]+)?struct|module"
    r"|abstract[ \t]+type)[ \t]+(?P<name>[^\W\d][\w.!]*)"
    r"|(?P<other>[^\W\d][\w.!]*)\([^()\n]*\)[ \t]*=(?!=)"
)
_CLOJURE = re.compile(
    r"\((?:defn-?|defmacro|defmulti|defmethod|defprotocol|defrecord|deftype|ns|defun|define(?:-\w+)?|defclass"
    r"|defgeneric"
    r"|defvar|defparameter|defcustom|def|fn|lambda)[ \t]+\(?(?P<name>[^\s()\[\]]{1,80})"
)
_ERLANG = re.compile(r"(?P<name>[a-z]\w*)\([^\n]{0,300}\)[^\n]{0,200}->")
_OCAML = re.compile(
    r"[ \t]*(?:let(?:[ \t]+rec)?|and|type|module(?:[ \t]+type)?|class|member"
    r"|val)[ \t]+(?:\w+\.)?(?P<name>[^\W\d][\w']*)"
)
_OTHER = re.compile(  # Protocol Buffers, Thrift, Cap'n Proto, FlatBuffers, Zig, Nim, V, Solidity, Gleam
    r"[ \t]*(?:(?:pub|export|abstract|public|entry|native|inline)[ \t]+){0,4}"
    r"(?:message|service|enum|struct|contract|interface|library|function|fn|proc|func|method|template|macro|exception"
    r"|modifier|event|rpc|module|table|union|fun|type|trait)[ \t]+(?:\([^)\n]*\)[ \t]*)?(?P<name>[^\W\d][\w:]*)"
)
_WORDED = re.compile(  # languages whose definitions begin with a word for their kind
    r"[ \t]*(?:(?:abstract|static|local|global|multi|proto|automatic|extend|task)[ \t]+){0,3}"
    r"(?:function!?|func|proc|sub|method|class|class_name|role|grammar|package(?:[ \t]+body)?|module|procedure|entity"
    r"|architecture|macro|type|model|query|mutation|subscription|fragment|input|interface|enum|union)"
    r"(?:[ \t]+|\()(?P<name>[^\W\d][\w:.#-]*)",
    re.IGNORECASE,
)
_OBJECTIVE_C = re.compile(
    r"(?:@(?:implementation|interface|protocol)[ \t]+(?P<name>\w+)|[-+][ \t]*\([^()\n]*\)[ \t]*(?P<other>\w+)"
    r"|(?:[\w*]+[ \t]+){1,4}\*?(?P<third>\w+)\([^;{}\n]*\)[ \t]*\{)"
)
_FORTRAN = re.compile(
    r"[ \t]*(?:(?:recursive|pure|elemental|integer|real|logical|complex"
    r"|double[ \t]+precision)(?:\([^()\n]*\))?[ \t]+){0,4}"
    r"(?:program|module|submodule[ \t]*\([^()\n]*\)|subroutine|function|block[ \t]*data)"
    r"[ \t]+(?!procedure\b)(?P<name>[a-z]\w*)"
    r"|[ \t]*type(?=[ \t,:])[^:()\n]{0,200}(?:\([^()\n]*\))?[ \t]*(?:::)?[ \t]*\b(?P<other>[a-z]\w*)[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_PASCAL = re.compile(
    r"[ \t]*(?:class[ \t]+)?(?:procedure|function|constructor|destructor|unit|program)[ \t]+(?P<name>[^\W\d][\w.]*)",
    re.IGNORECASE,
)
_VISUAL_BASIC = re.compile(
    r"[ \t]*(?:(?:public|private|protected|friend|shared|overrides|static)[ \t]+){0,4}(?:sub|function|property"
    r"|class|module"
    r"|interface|structure|enum)[ \t]+(?:(?:get|set|let)[ \t]+)?(?P<name>[^\W\d]\w*)",
    re.IGNORECASE,
)
_COBOL = re.compile(  # programs, sections and paragraphs
    r"(?:\d{6})?[ \t]{0,8}(?!(?:exit|continue|goback|else|eject|skip\d|end-[\w-]+)\b)"
    r"(?:(?:program-id|class-id|function-id)\.[ \t]*(?P<name>[\w-]+)"
    r"|(?P<other>[\w-]+(?:[ \t]+(?:section|division))?)\.[ \t]*$)",
    re.IGNORECASE | re.MULTILINE,
)
_ADA = re.compile(  # Ada, VHDL
    r"[ \t]*(?:(?:private|separate|generic|overriding|not|pure|impure|abstract)[ \t]+){0,3}"
    r"(?:(?:procedure|function|package|task|protected|entity|architecture|component|configuration)"
    r"(?:[ \t]+(?:body|type))?|type|subtype|entry)[ \t]+(?P<name>[^\W\d][\w.]*|\"[^\"\n]{1,5}\")"
    r"|[ \t]*(?P<other>\w+)[ \t]*:[ \t]*process\b",
    re.IGNORECASE,
)
_MAKE = re.compile(
    r"define[ \t]+(?P<other>[^\s=]+)"
    r"|(?!\.[A-Z]|(?:ifn?eq|ifn?def|else|endif|-?include|export|unexport|override|vpath)\b)"
    r"(?P<name>[^\s#:=?+!][^#:=\n]{0,200}?)[ \t]*:(?!:?=)"
)
_COFFEE = re.compile(
    rf"[ \t]*(?:class[ \t]+{_NAME}|@?(?P<other>[^\W\d][\w$.]*)[ \t]*[=:][ \t]*(?:\([^()\n]*\)[ \t]*)?[-=]>)"
)
_NIX = re.compile(  # attributes whose values are functions or sets
    r"[ \t]*(?:\{[ \t]*)?(?P<name>[^\W\d][\w.'-]*)[ \t]*=[ \t]*"
    r"(?:(?:\w[\w'-]*[ \t]*:|\{[^{}\n]*\}[ \t]*:)|(?:[\w.]+[ \t]+)?(?:rec[ \t]*)?\{)"
)
_BATCH = re.compile(r"[ \t]*:(?P<name>[^\s:=|&<>]+)")
_SAS = re.compile(r"[ \t]*(?:%macro[ \t]+(?P<name>\w+)|(?P<other>proc[ \t]+\w+|data[ \t]+[\w.]+))", re.IGNORECASE)
_STATA = re.compile(r"[ \t]*(?:cap(?:ture)?[ \t]+)?program[ \t]+(?:define[ \t]+)?(?!drop\b|dir\b|list\b)(?P<name>\w+)")
_SMALLTALK = re.compile(
    r"!?[ \t]*(?:(?P<name>\w+(?:[ \t]+class)?[ \t]*>>[ \t]*#?[\w:]+)"
    r"|[\w.]+[ \t]+(?:\w+[sS]ubclass|subclass):[ \t]*#?(?P<other>\w+)|(?P<third>\w+(?:[ \t]+class)?)[ \t]+methodsFor:)"
)
_PLC = re.compile(  # structured text of IEC 61131-3
    r"[ \t]*(?:function_block|function|program|method|type|interface|property|configuration)[ \t]+"
    r"(?:(?:public|private|protected|internal|abstract|final)[ \t]+){0,3}(?P<name>[^\W\d]\w*)",
    re.IGNORECASE,
)
_VERILOG = re.compile(
    r"[ \t]*(?:(?:virtual|automatic|static|extern|protected|local|pure)[ \t]+){0,4}"
    r"(?:module|macromodule|interface|package|class|program|primitive|task|covergroup|property|checker"
    r"|function(?:[ \t]+(?:automatic|static))?(?:[ \t]+(?:\w+|\[[^\]\n]*\]))*?)[ \t]+"
    r"(?:(?:automatic|static)[ \t]+)?(?P<name>[^\W\d][\w:$]*)[ \t]*(?=[(;#]|$|import\b|extends\b)",
    re.MULTILINE,
)
_PROOFS = re.compile(  # Lean, Coq, Isabelle
    r"[ \t]*(?:@\[[^\]\n]*\][ \t]*|(?:private|protected|noncomputable|partial|unsafe|local|global|program)[ \t]+){0,4}"
    r"(?:theorem|lemma|corollary|proposition|def|definition|abbrev|structure|inductive|coinductive|class|instance|axiom"
    r"|fixpoint|cofixpoint|record|example|section|module|namespace|theory|datatype|fun|primrec|locale)[ \t]+"
    r"(?P<name>[^\W\d][\w.']*)",
    re.IGNORECASE,
)
_IDL = re.compile(r"[ \t]*(?:pro|function)[ \t]+(?P<name>[^\W\d][\w:]*)", re.IGNORECASE)
_PROLOG = re.compile(r"(?P<name>[a-z]\w*)(?:\([^\n]{0,300}\))?[ \t]*(?::-|-->|\.[ \t]*$)", re.MULTILINE)
_ASSEMBLY = re.compile(
    r"[ \t]*(?P<name>[A-Za-z_?@][\w$@?.]*)(?::(?!:?=)|[ \t]+(?:proc|macro|struc)\b)"
    r"|[ \t]*[.%]macro[ \t]+(?P<other>\w+)",
    re.IGNORECASE,
)
_BLOCKS = re.compile(  # Gradle, Jenkins pipelines
    r"[ \t]*(?:(?:task|def)[ \t]+(?P<name>\w+)[^\n]*\{"
    r"|(?!(?:if|for|while|switch|catch|else|try)\b)(?P<other>\w+(?:[ \t]*\([ \t]*['\"][^'\"\n]{1,80}['\"][ \t]*\))?)"
    r"[ \t]*\{[ \t]*$)",
    re.MULTILINE,
)
_GHERKIN = re.compile(
    r"[ \t]*(?P<name>(?:Feature|Rule|Scenario(?: Outline| Template)?|Background|Example)[ \t]*:[^\n]*)"
)
_ROBOT = re.compile(
    r"\*+[ \t]*(?P<other>[^\s*][^*\n]*)|(?P<name>[^\s*#|.\[][^ \t\n]*(?: [^ \t\n]+)*)[ \t]*$", re.MULTILINE
)
_PUPPET = re.compile(r"[ \t]*(?:class|define|node|function|type|plan)[ \t]+(?P<name>[\w:'\".-]+)")
_COLONS = re.compile(  # Odin, Jai
    r"[ \t]*(?P<name>\w+)[ \t]*::[ \t]*(?:(?:#?inline[ \t]+)?(?:proc|struct|enum|union)\b|\([^\n]*\{)"
)
_MATLAB = re.compile(
    r"[ \t]*(?:function[ \t]+(?:(?:\[[^\]\n]*\]|\w+)[ \t]*=[ \t]*)?(?P<name>[^\W\d][\w.]*)"
    r"|classdef[ \t]*(?:\([^)\n]*\)[ \t]*)?(?P<other>\w+))"
)
_MATHEMATICA = re.compile(r"[ \t]*(?P<name>[^\W\d][\w$`]*)\[[^\n]{0,300}\][ \t]*:=")
_ML = re.compile(
    r"[ \t]*(?:fun|val|structure|signature|functor|datatype|type|exception)[ \t]+(?:rec[ \t]+)?(?P<name>[^\W\d][\w']*)"
)
_BICEP = re.compile(r"(?:resource|module|param|output|var|func|type)[ \t]+(?P<name>[^\W\d]\w*)")
_FORTH = re.compile(r"[ \t]*:[ \t]+(?P<name>\S+)")
_DOCKER = re.compile(r"from[ \t]+(?:--\S+[ \t]+)?(?P<name>\S+(?:[ \t]+as[ \t]+\S+)?)", re.IGNORECASE)
_ABAP = re.compile(
    r"[ \t]*(?:form|method|class|function|report|interface|module|program)[ \t]+(?P<name>[^\W\d][\w~/-]*)",
    re.IGNORECASE,
)

_CLOSING = re.compile(
    r"[ \t]*(?:[)}\]>;,{]|end(?:_?(?:function|macro|module|task|class|package|program|interface|property|method))?\b"
    r"|else\b|elif\b|except\b|finally\b|catch\b|rescue\b|ensure\b|#|//|--|\"\"\"|''')",
    re.IGNORECASE,
)
_BEGINS = re.compile(  # Ada, VHDL, Pascal
    rf"{_CLOSING.pattern}|[ \t]*(?:begin|is|private|exception|return|var|const|label|uses|asm|generic|port)\b",
    re.IGNORECASE,
)
_QUERY = re.compile(
    rf"{_CLOSING.pattern}|[ \t]*(?:\$|(?:as|is|begin|declare|language|returns?|authid|deterministic|exception)\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Language:
    """A programming language.

    Attributes:
        suffixes: The suffixes of its files.
        definition: Matches the first line of a definition. One of the groups `name`, `other` and `third` has its name.
        comment: The sign before a comment up to the end of the line.
        closing: Matches lines that belong to the definition above them, although they are not indented more than its
            first line. None if a definition lasts until the next one.
    """

    suffixes: frozenset[str]
    definition: re.Pattern[str]
    comment: str
    closing: re.Pattern[str] | None = _CLOSING

    def name_in(self, match: re.Match[str]) -> str:
        """Return the name of the definition that matched."""
        groups = match.groupdict()
        return next(groups[group] for group in ("name", "other", "third") if groups.get(group))


def _row(
    suffixes: str, definition: re.Pattern[str], comment: str, closing: re.Pattern[str] | None = _CLOSING
) -> Language:
    return Language(frozenset(suffixes.split()), definition, comment, closing)


PYTHON = _row(".py .pyi .pyw .pyx .pxd .bzl .star .bazel .sage .gyp", _PYTHON, "#")
LANGUAGES = (  # of several for one suffix, a file is in the one that it has most definitions of
    PYTHON,
    _row(".rb .rake .ex .exs .cr .gemspec .podspec .ru .thor .rbi", _RUBY, "#"),
    _row(".lua .luau", _LUA, "--"),
    _row(".sh .bash .zsh .ksh .fish", _SHELL, "#"),
    _row(".go", _GO, "//"),
    _row(".rs", _RUST, "//"),
    _row(".js .jsx .mjs .cjs .ts .tsx .mts .cts .php .phtml .vue .svelte .astro .gs .ahk", _SCRIPT, "//"),
    _row(
        ".c .h .cc .cpp .cxx .c++ .hh .hpp .hxx .h++ .ipp .tpp .inl .java .cs .kt .kts .scala .sc .sbt .swift .dart"
        " .groovy .cu .cuh .cl .glsl .vert .frag .comp .hlsl .metal .wgsl .hx .ino .pde .d .di .vala .vapi .as .apex"
        " .trigger .nut",
        _C,
        "//",
    ),
    _row(".m .mm", _OBJECTIVE_C, "//"),
    _row(".m", _MATLAB, "%", None),
    _row(".wl .wls .m", _MATHEMATICA, "(*"),
    _row(".tcl .exp .awk .gd .cmake .graphql .gql .graphqls .raku .rakumod .au3", _WORDED, "#"),
    _row(".vim", _WORDED, '"'),
    _row(".adb .ads .ada .vhd .vhdl", _ADA, "--", _BEGINS),
    _row(".prisma", _WORDED, "//"),
    _row(".v .sv .svh .vh", _VERILOG, "//"),
    _row(".v .lean .thy", _PROOFS, "--", None),
    _row(".sql .ddl .plsql .pks .pkb .pls .prc .psql .tsql .hql .cql", _SQL, "--", _QUERY),
    _row(".pl .pm .psgi .plx", _PERL, "#"),
    _row(".pl .pro .prolog", _PROLOG, "%", None),
    _row(".pro", _IDL, ";", None),
    _row(".hs .lhs .purs .elm .idr .agda", _HASKELL, "--"),
    _row(".r", _R, "#"),
    _row(".ps1 .psm1", _POWERSHELL, "#"),
    _row(".tf .hcl .tfvars .nomad", _TERRAFORM, "#"),
    _row(".bicep", _BICEP, "//"),
    _row(".jl", _JULIA, "#"),
    _row(".clj .cljs .cljc .el .lisp .lsp .cl .scm .ss .sld .rkt .hy .fnl .janet .lfe", _CLOJURE, ";"),
    _row(".erl .hrl .escript", _ERLANG, "%"),
    _row(".ml .mli .mll .mly .fs .fsi .fsx .re .res", _OCAML, "//"),
    _row(".sml .sig .fun", _ML, "(*"),
    _row(".f .for .f77 .ftn .f90 .f95 .f03 .f08", _FORTRAN, "!", None),
    _row(".pas .pp .dpr .lpr", _PASCAL, "//", _BEGINS),
    _row(".pp", _PUPPET, "#"),
    _row(".vb .bas .vbs .frm", _VISUAL_BASIC, "'"),
    _row(".proto .thrift .capnp .fbs .zig .nim .sol .v .gleam .cairo .move", _OTHER, "//"),
    _row(".odin .jai", _COLONS, "//"),
    _row(".cob .cbl .cobol .cpy", _COBOL, "*", None),
    _row(".mk .mak .d", _MAKE, "#"),
    _row(".dockerfile", _DOCKER, "#", None),
    _row(".coffee", _COFFEE, "#"),
    _row(".nix", _NIX, "#"),
    _row(".bat .cmd", _BATCH, "::", None),
    _row(".sas", _SAS, "*", None),
    _row(".do .ado", _STATA, "*"),
    _row(".st", _SMALLTALK, '"', None),
    _row(".st .scl", _PLC, "//", None),
    _row(".s .asm .nasm", _ASSEMBLY, ";", None),
    _row(".gradle .jenkinsfile", _BLOCKS, "//"),
    _row(".feature", _GHERKIN, "#"),
    _row(".robot", _ROBOT, "#"),
    _row(".fth .4th .forth", _FORTH, "\\", None),
    _row(".abap", _ABAP, "*", None),
)
