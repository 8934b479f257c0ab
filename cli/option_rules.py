"""Say for each option of each command when it has an effect, and refuse it by name when it has none.

A command calls `refuse_idle_options` with the facts of this run, such as the search mode. The table `OPTIONS` names,
for each option, the facts under which it counts. A test compares the table with the commands, so an option can't be
added without an entry.
"""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from typer.core import TyperCommand

from .output import complain

_command = ContextVar("command", default="this")  # the name of the command that runs
_given: ContextVar[Mapping[str, str]] = ContextVar("given")  # the spelling of each option on the command line, by name


@dataclass(frozen=True, slots=True)
class When:
    """A condition on one fact of a run: the fact must have one of the values."""

    fact: str
    values: frozenset[str]


ALWAYS: tuple[When, ...] = ()


def when(fact: str, *values: str) -> tuple[When, ...]:
    """Return the conditions of an option that counts if a fact has one of these values."""
    return (When(fact, frozenset(values)),)


# How a message describes a fact's value.
PHRASES: Mapping[tuple[str, str], str] = {
    ("mode", "keyword"): "in keyword mode",
    ("mode", "vector"): "in vector mode",
    ("mode", "examples"): "without the text of a query",
    ("fusion", "rrf"): "with the fusion rrf",
    ("format", "json"): "with --json",
    ("format", "jsonl"): "with --jsonl",
    ("format", "lines"): "with queries from stdin, which are answered in JSON",
    ("format", "paths"): "with --paths",
    ("format", "text"): "without --paths",
    ("reranker", "none"): "without --rerank",
    ("embedder", "local"): "with the local embedder",
    ("embedder", "static"): "with a static embedder",
    ("embedder", "sentence-transformers"): "with the embedder sentence-transformers",
    ("embedder", "gemini"): "with the remote embedder gemini",
    ("embedder", "openai"): "with the remote embedder openai",
    ("work", "re-embed"): "with --re-embed, which reads no files",
    ("input", "stdin"): "with a document from stdin",
    ("input", "paths"): "without -, a document from stdin",
    ("work", "update"): "without --re-embed",
    ("queries", "folder"): "with a folder of judged queries, which gets an index of its own",
    ("queries", "file"): "with a file of judged queries",
    ("queries", "generated"): "with --known-items",
    ("queries", "feedback"): "with the verdicts of `vsearch feedback`",
    ("target", "stdout"): "when the archive is written to stdout",
    ("tuning", "reset"): "with --reset",
    ("scope", "user"): "with --user",
    **dict.fromkeys((("change", change) for change in ("none", "untag", "roll_back", "prune")), "without --tag"),
    ("source", "store"): "with --follow",
}

_MODEL = when("mode", "hybrid", "vector", "examples")  # vectors are compared
_BOTH = when("mode", "hybrid")
_REMOTE = when("embedder", "gemini", "openai")
_FILES = when("work", "update")

_FILTERS = dict.fromkeys(("where", "path", "ext", "since", "until", "images"), ALWAYS)
_SEARCH: Mapping[str, tuple[When, ...]] = {
    **_FILTERS,
    **dict.fromkeys(("k", "offset", "min_score", "group_by", "diversity", "max_tokens", "fresh"), ALWAYS),
    "no_collapse": ALWAYS,  # --paths never collapses anyway, as the option asks
    "color": ALWAYS,  # it counts where there is text, as in an alias of a command
    "context": when("format", "text", "json", "jsonl", "lines"),
    "exact": _MODEL,
    **dict.fromkeys(("as_json", "as_jsonl"), ALWAYS),
    "as_paths": when("format", "text", "json", "jsonl", "paths"),
    "null": when("format", "paths"),
    "full": when("format", "text"),
    "explain": when("format", "text", "json", "lines"),
    **dict.fromkeys(("yes", "index_dir", "everywhere"), ALWAYS),
}

# For each command, the conditions under which each of its options counts. All of an option's conditions must hold.
# A permission (--yes, --force, --replace) always counts: it says what may be done if the need arises.
OPTIONS: Mapping[str, Mapping[str, tuple[When, ...]]] = {
    "index": {
        **dict.fromkeys(("index_dir", "embedder", "model", "dimensions"), ALWAYS),
        "device": when("embedder", "sentence-transformers"),
        "base_url": _REMOTE,
        "rpm": _REMOTE,
        "tpm": _REMOTE,
        **dict.fromkeys(("chunk_words", "overlap_words", "language"), ALWAYS),
        **dict.fromkeys(("include", "exclude", "no_ignore"), (*_FILES, *when("input", "paths"))),
        "name": (*_FILES, *when("input", "stdin")),
        **dict.fromkeys(("max_file_size", "ann"), _FILES),
        "vectors": ALWAYS,
        **dict.fromkeys(("password", "ocr", "secrets", "source_archives", "positions", "retry", "verbose"), _FILES),
        "image_model": _FILES,
        **dict.fromkeys(("share_vectors", "re_embed", "plan", "watch", "yes", "as_json", "quiet"), ALWAYS),
        **dict.fromkeys(("in_background", "jobs"), ALWAYS),
        "pause_on_battery": when("work", "update"),
        "quick": (*_FILES, *when("embedder", "local")),
    },
    "query": {
        "mode": ALWAYS,
        "base_url": (*_MODEL, *_REMOTE),
        "fusion": _BOTH,
        "alpha": (*_BOTH, *when("fusion", "convex")),
        "plain": when("mode", "hybrid", "vector", "keyword"),
        **dict.fromkeys(("more_like", "less_like", "min_confidence"), ALWAYS),
        "rerank": ALWAYS,
        "rerank_depth": when("reranker", "some"),
        "rerank_budget": when("reranker", "some"),
        **dict.fromkeys(("ef", "nprobe"), _MODEL),
        **_SEARCH,
    },
    "similar": {**_SEARCH, "exact": ALWAYS, "base_url": _REMOTE, "name": when("input", "stdin")},
    "read": dict.fromkeys(("page", "context", "max_tokens", "as_json", "color", "index_dir", "everywhere"), ALWAYS),
    "verify": dict.fromkeys(("as_json", "color", "index_dir", "everywhere"), ALWAYS),
    "serve": {
        **dict.fromkeys(
            ("host", "port", "allow_host", "open_page", "token", "quiet", "yes", "index_dir", "follow"), ALWAYS
        ),
        "everywhere": when("source", "index"),
        "base_url": _REMOTE,
    },
    "mcp": dict.fromkeys(("install", "only_print", "allow_index", "index_dir", "everywhere"), ALWAYS),
    "skill": {},
    "warm": dict.fromkeys(("idle", "stop", "index_dir"), ALWAYS),
    "duplicates": {**_FILTERS, **dict.fromkeys(("threshold", "as_json", "index_dir", "everywhere"), ALWAYS)},
    "status": dict.fromkeys(("by_file", "following", "as_json", "index_dir"), ALWAYS),
    "remove": dict.fromkeys(("index_dir", "as_json", "quiet"), ALWAYS),
    "compact": dict.fromkeys(("index_dir", "as_json", "quiet"), ALWAYS),
    "check": dict.fromkeys(("full", "as_json", "index_dir"), ALWAYS),
    "repair": dict.fromkeys(("re_embed", "yes", "as_json", "index_dir"), ALWAYS),
    "export": dict.fromkeys(("index_dir", "as_json"), ALWAYS) | {"force": when("target", "file")},
    "import": dict.fromkeys(("index_dir", "replace", "as_json"), ALWAYS),
    "copy": dict.fromkeys(("source", "target", "as_json", "quiet"), ALWAYS),
    "push": dict.fromkeys(("index_dir", "force", "as_json"), ALWAYS),
    "pull": dict.fromkeys(("snapshot", "index_dir", "replace", "as_json"), ALWAYS),
    "snapshots": {
        **dict.fromkeys(("tag", "untag", "roll_back", "prune", "as_json"), ALWAYS),
        "snapshot": when("change", "tag"),
    },
    "eval": {
        "known_items": ALWAYS,
        "save": when("queries", "generated"),
        "mode": ALWAYS,
        "fusion": _BOTH,
        "alpha": (*_BOTH, *when("fusion", "convex")),
        "split": when("queries", "folder"),
        "run": ALWAYS,
        "against": ALWAYS,
        "keep": when("queries", "folder"),
        "yes": ALWAYS,
        "base_url": (*_MODEL, *_REMOTE),
        "as_json": ALWAYS,
        "index_dir": when("queries", "file", "generated"),
    },
    "feedback": dict.fromkeys(("as_json", "index_dir"), ALWAYS),
    "tune": {
        "dry_run": when("tuning", "learn"),
        "base_url": (*when("tuning", "learn"), *_REMOTE),
        **dict.fromkeys(("reset", "yes", "as_json", "index_dir"), ALWAYS),
    },
    "config": {**dict.fromkeys(("user", "unset", "as_json"), ALWAYS), "index_dir": when("scope", "project")},
    "models": dict.fromkeys(("as_json",), ALWAYS),
    "formats": dict.fromkeys(("as_json",), ALWAYS),
    "doctor": dict.fromkeys(("as_json", "index_dir"), ALWAYS),
}


# Options whose value may be left out, and the value that they then have. One that is given follows a "=".
BARE_VALUES: Mapping[str, str] = {"--fresh": "1000"}


def refuse_idle_options(command: str, **facts: str) -> None:
    """Raise InputError if an option on the command line has no effect, given the facts of this run.

    A fact that isn't given is not checked, so that a command can check cheap facts first.
    """
    from vsearch_core.errors import InputError

    for name, spelling in _given.get({}).items():
        for condition in OPTIONS[command].get(name, ALWAYS):
            value = facts.get(condition.fact)
            if value is not None and value not in condition.values:
                phrase = PHRASES[condition.fact, value]
                raise InputError(spelling, f"has no effect {phrase}; leave it out")


class Command(TyperCommand):
    """A command that remembers which options were on the command line, for `refuse_idle_options`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments. Warn of options with one value that were given twice: the last one counts."""
        args = _with_bare_values(args)
        _, _, order = self.make_parser(ctx).parse_args(list(args))
        options = [each for each in order if each.param_type_name == "option"]
        _command.set(f"`{ctx.command_path}`")
        _given.set({str(each.name): _spelling(each.opts) for each in options})
        for option in dict.fromkeys(options):
            takes_one_value = not (option.multiple or getattr(option, "is_flag", False))
            if takes_one_value and options.count(option) > 1:
                written = next((name for name in option.opts if name in args), _spelling(option.opts))
                complain(f"{written}: given more than once; the last value counts")
        return super().parse_args(ctx, args)


def _with_bare_values(args: Sequence[str]) -> list[str]:
    """Return the arguments with a value for each option that may have none. Words after "--" are no options."""
    end = args.index("--") if "--" in args else len(args)
    options = [f"{word}={BARE_VALUES[word]}" if word in BARE_VALUES else word for word in args[:end]]
    return [*options, *args[end:]]


def running_command() -> str:
    """Return the name of the command that runs, such as "`vsearch export`"."""
    return _command.get()


def _spelling(names: Sequence[str]) -> str:
    """Return the longest name of an option, such as --verbose rather than -v."""
    return max(names, key=len)
