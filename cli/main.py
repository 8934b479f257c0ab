"""The app: its commands, and the one place where an error becomes a line and an exit status."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Annotated

import typer

from . import (
    check,
    compact,
    config,
    duplicates,
    evaluate,
    export,
    feedback,
    formats,
    import_,
    index,
    models,
    query,
    remove,
    repair,
    similar,
    status,
    tune,
)
from .output import complain, emit, error_line, open_missing_streams

# A scan of mapped vectors waits for memory, not for arithmetic: one thread is as fast as many, and on a busy machine
# fifty times faster than several that wait for one another. BLAS reads this when numpy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

app = typer.Typer(
    name="vsearch",
    help="Answer questions of a folder of documents, by meaning and by keyword, offline.",
    epilog="Exit status: 0 done or hits found, 1 no hit, 2 error, 130 interrupted.",
    add_completion=False,
    rich_markup_mode=None,  # rich costs more to import than `--help` may take
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _abortable(command: Callable[..., int]) -> Callable[..., int]:
    """The command, whose interruption reaches `_run`: typer makes a KeyboardInterrupt a status that says nothing."""

    @wraps(command)
    def run(*arguments: object, **options: object) -> int:
        try:
            return command(*arguments, **options)
        except KeyboardInterrupt:
            raise typer.Abort from None

    return run


for command in (
    *(index.index, query.query, similar.similar, duplicates.duplicates, status.status, remove.remove),
    *(compact.compact, check.check, repair.repair, export.export, import_.import_),
    *(evaluate.eval_, feedback.feedback, tune.tune, config.config, models.models, formats.formats),
):
    app.command(name=command.__name__.rstrip("_"))(_abortable(command))

INTERRUPTED = 130

_debug = False


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        emit(f"vsearch {version('vsearch')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
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


def _run() -> int:
    from vsearch_core.errors import VsearchError

    try:
        return app(standalone_mode=False) or 0
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        complain(f"{error.format_message().rstrip('.')}; see `{context.command_path if context else 'vsearch'} --help`")
        return 2
    except VsearchError as error:
        if _debug:
            raise
        complain(str(error))
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
