"""The app: its commands, and the one place where an error becomes a line and an exit status."""

import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import wraps
from importlib import import_module
from typing import Annotated

import typer

from .output import complain, emit, error_line, open_missing_streams

# A scan of mapped vectors waits for memory, not for arithmetic: one thread is as fast as many, and on a busy machine
# fifty times faster than several that wait for one another. BLAS reads this when numpy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Each command's module and function, in the order in which help names them.
COMMANDS = {
    "index": "index:index",
    "query": "query:query",
    "similar": "similar:similar",
    "duplicates": "duplicates:duplicates",
    "status": "status:status",
    "remove": "remove:remove",
    "compact": "compact:compact",
    "check": "check:check",
    "repair": "repair:repair",
    "export": "export:export",
    "import": "import_:import_",
    "eval": "evaluate:eval_",
    "feedback": "feedback:feedback",
    "tune": "tune:tune",
    "config": "config:config",
    "models": "models:models",
    "formats": "formats:formats",
}
INTERRUPTED = 130

_debug = False


def make_app(names: Iterable[str]) -> typer.Typer:
    """The app with these commands; only their modules are imported."""
    app = typer.Typer(
        name="vsearch",
        help="Answer questions of a folder of documents, by meaning and by keyword, offline.",
        epilog="Exit status: 0 done or hits found, 1 no hit, 2 error, 130 interrupted.",
        add_completion=False,
        rich_markup_mode=None,  # rich costs more to import than `--help` may take
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(options)
    for name in names:
        module, _, function = COMMANDS[name].partition(":")
        app.command(name=name)(_abortable(getattr(import_module(f".{module}", __package__), function)))
    return app


def _wanted(words: Sequence[str]) -> Sequence[str]:
    """The commands that the words of the command line need: one where it comes first, all for help and mistakes."""
    return words[:1] if words and words[0] in COMMANDS else list(COMMANDS)


def _abortable(command: Callable[..., int]) -> Callable[..., int]:
    """The command, whose interruption reaches `_run`: typer makes a KeyboardInterrupt a status that says nothing."""

    @wraps(command)
    def run(*arguments: object, **options: object) -> int:
        try:
            return command(*arguments, **options)
        except KeyboardInterrupt:
            raise typer.Abort from None

    return run


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        emit(f"vsearch {version('vsearch')}")
        raise typer.Exit


def options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    """Answer questions of a folder of documents, by meaning and by keyword, offline."""
    global _debug  # noqa: PLW0603 - main() must know it after the app has failed
    _debug = debug
    if context.invoked_subcommand is None:
        emit(context.get_help())


def main() -> None:
    """Run the app and exit with its status."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    open_missing_streams()
    status = _run()
    if status == INTERRUPTED:
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(status)  # a model that is being loaded, or kernels that are being compiled, are not waited for
    sys.exit(status)


def _configure_kernel_cache() -> None:
    """Cache compiled kernels where the environment says."""
    from pathlib import Path

    from vsearch_core import kernel_cache

    cache_dir, folder = (os.environ.get(name) for name in ("VSEARCH_CACHE_DIR", "NUMBA_CACHE_DIR"))
    kernel_cache.configure(
        cache_dir=Path(cache_dir) if cache_dir else None,
        folder=Path(folder) if folder else None,
    )


def _run() -> int:
    from vsearch_core.errors import VsearchError

    from .advice import describe

    _configure_kernel_cache()
    try:
        return make_app(_wanted(sys.argv[1:]))(standalone_mode=False) or 0
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        complain(f"{error.format_message().rstrip('.')}; see `{context.command_path if context else 'vsearch'} --help`")
        return 2
    except VsearchError as error:
        if _debug:
            raise
        complain(describe(error))
        return 2
    except (KeyboardInterrupt, typer.Abort):
        complain("interrupted")
        return INTERRUPTED
    except Exception as error:  # the last resort: still one line, still no traceback unasked
        if _debug:
            raise
        complain(
            f"internal error: {error_line(error)}; run it again with `vsearch --debug …` and report what it prints"
        )
        return 2
