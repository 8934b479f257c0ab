"""The entry point: run a command, and turn an error into a line on stderr and an exit status."""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from importlib import import_module
from typing import Annotated

import typer

from .examples import EXAMPLES
from .interrupts import INTERRUPT, INTERRUPTED, handle_signals
from .option_rules import Command
from .output import complain, emit, error_line, open_missing_streams

# A scan of mapped vectors is limited by memory, not by arithmetic: one thread is as fast as many, and on a busy machine
# fifty times faster than several that wait for one another. BLAS reads the variable when numpy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Each command's module and function, in the order of the help.
COMMANDS = {
    "index": "index:index",
    "query": "query:query",
    "similar": "similar:similar",
    "read": "read:read",
    "verify": "verify:verify",
    "serve": "serve:serve",
    "mcp": "mcp:mcp",
    "skill": "skill:skill",
    "warm": "warm:warm",
    "duplicates": "duplicates:duplicates",
    "status": "status:status",
    "remove": "remove:remove",
    "compact": "compact:compact",
    "check": "check:check",
    "repair": "repair:repair",
    "export": "export:export",
    "import": "import_:import_",
    "push": "push:push",
    "pull": "pull:pull",
    "snapshots": "snapshots:snapshots",
    "copy": "copy:copy",
    "eval": "evaluate:eval_",
    "feedback": "feedback:feedback",
    "tune": "tune:tune",
    "config": "config:config",
    "models": "models:models",
    "formats": "formats:formats",
    "doctor": "doctor:doctor",
}


def _print_version(wanted: bool) -> None:
    if wanted:
        from vsearch_core import __version__

        emit(f"vsearch {__version__}")
        raise typer.Exit


@dataclass
class GlobalOptions:
    """The options that come before a command, such as --debug. `main` reads them after the command has failed."""

    debug: bool = False

    def read(
        self,
        context: typer.Context,
        version: Annotated[
            bool,
            typer.Option("-V", "--version", help="Print the version and exit.", is_eager=True, callback=_print_version),
        ] = False,
        debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
    ) -> None:
        """Store the options. Print the help if no command is given."""
        self.debug = debug
        if context.invoked_subcommand is None:
            emit(context.get_help())


def make_app(names: Iterable[str], options: GlobalOptions) -> typer.Typer:
    """Return an app with the named commands, and import only their modules."""
    app = typer.Typer(
        name="vsearch",
        help="Search your documents by meaning and by keyword, offline.",
        epilog="Exit status: 0 done or hits found, 1 no hit, 2 error, 130 interrupted.\n\n"
        "`vsearch help COMMAND` explains a command.",
        add_completion=True,
        rich_markup_mode=None,  # importing rich takes longer than `--help` may
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(options.read)
    for name in names:
        module, _, function = COMMANDS[name].partition(":")
        run = _abortable(getattr(import_module(f".{module}", __package__), function))
        app.command(name=name, cls=Command, epilog=f"Example: {EXAMPLES[name]}")(run)
    return app


def _needed(words: Sequence[str]) -> Sequence[str]:
    """Return the names of the commands to import: the first word if it is one, or else all, for help and errors."""
    return words[:1] if words and words[0] in COMMANDS else list(COMMANDS)


def _abortable(command: Callable[..., int]) -> Callable[..., int]:
    """Return the command, but let it raise typer.Abort for KeyboardInterrupt, which typer turns into exit status 1."""

    @wraps(command)
    def run(*arguments: object, **options: object) -> int:
        try:
            return command(*arguments, **options)
        except KeyboardInterrupt:
            raise typer.Abort from None

    return run


def main() -> None:
    """Run the command line, and exit with its status."""
    handle_signals()
    open_missing_streams()
    try:
        status = _run()
    except KeyboardInterrupt:  # between two steps of `_run`
        complain("interrupted")
        status = INTERRUPTED
    if status == INTERRUPTED:
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(status)  # without waiting for threads that load a model or compile kernels
    sys.exit(status)


def _print_traceback(options: GlobalOptions) -> None:
    """Print the traceback of the error that is being handled, with --debug. The exit status stays as it is."""
    if options.debug:
        import traceback

        traceback.print_exc()


def _configure_kernel_cache() -> None:
    """Set the folder that caches compiled kernels: NUMBA_CACHE_DIR, or else one in the cache folder."""
    from pathlib import Path

    from vsearch_core import kernel_cache

    from .environment import cache_dir

    folder = os.environ.get("NUMBA_CACHE_DIR")
    kernel_cache.configure(cache_dir=cache_dir(), folder=Path(folder) if folder else None)


def _run() -> int:
    _configure_kernel_cache()
    options, words = GlobalOptions(), sys.argv[1:]
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    return run_app(lambda: make_app(_needed(words), options), words, options)


def run_app(app: Callable[[], Callable[..., int | None]], words: Sequence[str], options: GlobalOptions) -> int:
    """Run the app with the words of a command line. Print its error, if there is one, and return the exit status."""
    from vsearch_core.errors import VsearchError

    from .advice import describe

    try:
        return app()(words, standalone_mode=False) or 0
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        message = error.format_message().rstrip(".")
        if context and context.info_name == "query" and message.startswith("No such option"):
            message += " (put -- before a query that has words with a leading -)"
        complain(f"{message}; see `{context.command_path if context else 'vsearch'} --help`")
        return 2
    except VsearchError as error:
        _print_traceback(options)
        return _complained(describe(error))
    except (KeyboardInterrupt, typer.Abort):
        complain("interrupted")
        return INTERRUPTED
    except MemoryError:
        _print_traceback(options)
        return _complained("there is not enough memory")
    except SystemExit:
        raise
    except BaseException as error:  # the last resort, for a panic in Rust too: one line, no traceback without --debug
        _print_traceback(options)
        advice = "run it again as `vsearch --debug …` and report what it prints"
        return _complained(f"internal error: {error_line(error)}; {advice}")


def _complained(text: str) -> int:
    """Write the error; after an interrupt, whose consequence it is, write that instead. Returns the exit status."""
    complain("interrupted" if INTERRUPT.raised else text)
    return INTERRUPTED if INTERRUPT.raised else 2
