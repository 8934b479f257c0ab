"""Load a model's tokenizer from its file, which may come from anyone.

The file may hold regular expressions, which the package tokenizers matches by backtracking and without a time limit. It
may also hold replacements, which can multiply a text. Those that could take very long or very much memory are refused.
Regular expressions of well-known tokenizers are accepted as they are. Others may repeat only single characters or
classes, and only once in each alternative, so that the time of a match is linear in the text.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsearch_core.embed.foreign_errors import model_errors
from vsearch_core.embed.settings import read_bytes
from vsearch_core.errors import ModelError
from vsearch_core.json_text import json_objects, parse_json

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MAX_BYTES = 200_000_000  # the largest known tokenizers have 35 MB
MAX_REPLACEMENTS = 200
MAX_GROWN = 2_000  # characters that the replacements may make of one pattern
_MAX_PATTERN = 1_000  # characters
_MAX_REPEATED = 1_000  # the product of the bounds of repetitions, and of choices, in one alternative

KNOWN_PATTERNS = (  # of GPT-2, cl100k (also Llama 3), Qwen, o200k and CLIP
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
)
_KINDS = ("atom", "group", "end", "bar", "count", "repeat", "maybe")
_TOKEN = re.compile(
    r"""(?P<atom>\\[pPxou]\{[^}]*\}|\\[^1-9kgXRK]|\[(?:[^][\\]|\\.|\[[^][]*\])*\]|[^\\()|*+?{}[\]])
    |(?P<group>\((?:\?(?:[imsx]*:|[=!]|[imsx]+\)))?)
    |(?P<end>\))
    |(?P<bar>\|)
    |(?P<count>\{(?P<low>\d{1,4})(?P<comma>,(?P<high>\d{1,4})?)?\}[?+]?)
    |(?P<repeat>[*+][?+]?)
    |(?P<maybe>\?[?+]?)""",
    re.VERBOSE | re.DOTALL,
)


def load_tokenizer(path: Path) -> "Tokenizer":
    """Return the tokenizer in a JSON file. Raises ModelError if it can't be read, or could take very long."""
    raw = read_bytes(path, MAX_BYTES)
    check_tokenizer(str(path), raw)
    with model_errors(str(path), "can't be read", "model-damaged"):
        from tokenizers import Tokenizer

        return Tokenizer.from_buffer(raw)


def check_tokenizer(subject: str, raw: bytes) -> None:
    """Raise ModelError if a tokenizer, as JSON, could take very long for a text, or make very much of it."""
    if not any(sign in raw for sign in (b"Regex", b"Replace", b"\\u00")):  # names may be written as escapes
        return
    with model_errors(subject, "can't be read", "model-damaged"):
        objects = list(json_objects(parse_json(raw)))
    for each in objects:
        pattern = each.get("Regex")
        if isinstance(pattern, str) and not is_linear(pattern):
            shown = pattern if len(pattern) <= 40 else f"{pattern[:40]}…"
            reason = f"has the regular expression {shown}, which could take very long to match"
            raise ModelError(subject, reason, "model-unsupported")
    _check_replacements(subject, [each for each in objects if each.get("type") == "Replace"])


def is_linear(pattern: str) -> bool:
    """Return True if a regular expression is a well-known one, or is matched in time linear in the text."""
    return pattern in KNOWN_PATTERNS or (len(pattern) <= _MAX_PATTERN and _repeats_little(pattern))


def _repeats_little(pattern: str) -> bool:
    """Return True if each alternative has one unbounded repetition at most, and only characters are repeated."""
    at, depth, before, unbounded, bounds = 0, 0, "", 0, 1
    while at < len(pattern) and depth >= 0 and unbounded <= 1 and bounds <= _MAX_REPEATED:
        token = _TOKEN.match(pattern, at)
        if token is None:
            return False
        kind, at = next(kind for kind in _KINDS if token[kind] is not None), token.end()
        if (kind in {"count", "repeat"} and before != "atom") or (kind == "maybe" and before not in {"atom", "end"}):
            return False
        if kind == "bar":
            unbounded, bounds = (unbounded, 2 * bounds) if depth else (0, 1)
        elif kind == "count":
            unbounded += token["comma"] is not None and token["high"] is None
            bounds *= max(1, int(token["high"] or token["low"]))
        else:
            unbounded += kind == "repeat"
            bounds *= 2 if kind == "maybe" else 1
            depth += (kind == "group" and token[0][-1] != ")") - (kind == "end")
        before = kind
    return at == len(pattern) and depth == 0 and unbounded <= 1 and bounds <= _MAX_REPEATED


def _check_replacements(subject: str, replacements: list[dict[str, Any]]) -> None:
    """Raise ModelError if replacements, one after another, make very much of a short text.

    Each is tried on the others' patterns; one by a regular expression is taken to match every character.
    """
    steps = [(each.get("pattern"), str(each.get("content", ""))) for each in replacements]
    strings = {str(pattern["String"]) for pattern, _ in steps if isinstance(pattern, dict) and "String" in pattern}
    probes = {*strings, *(character for string in strings for character in string[:MAX_GROWN]), "a"}
    reason = "has replacements that could make very much of a short text"
    if len(steps) > MAX_REPLACEMENTS or max(map(len, probes)) > MAX_GROWN or len(probes) > 10 * MAX_REPLACEMENTS:
        raise ModelError(subject, reason, "model-unsupported")
    for probe in probes:
        grown = probe
        for pattern, content in [*steps, *steps]:  # the order in the file is not always that of their use
            string = pattern.get("String") if isinstance(pattern, dict) else None
            grown = content * len(grown) if string is None and len(content) > 1 else grown.replace(str(string), content)
            if len(grown) > MAX_GROWN:
                raise ModelError(subject, reason, "model-unsupported")
