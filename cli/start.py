"""The entry point of `vsearch`: let the warm helper answer if there is one, or else run the command here."""

import os
import sys

_COMMANDS = ("query", "similar")
_COLD = ("-", "-h", "--help", "--rerank", "--base-url", "--yes", "--fresh")  # words that need a process of their own
# Runs `vsearch` in another process by `python -c`. Python puts the working folder first on its path: nothing may be
# imported from there.
PROGRAM = "import sys; sys.path[:] = [each for each in sys.path if each]; from vsearch_cli.start import main; main()"
_INDEX, _INDEX_DIR, _CATALOG = "--index", ".vsearch", "catalog.sqlite"


def main() -> None:
    """Run the command line, and exit with its status."""
    if (
        sys.argv[1:2]
        and sys.argv[1] in _COMMANDS
        and not {*_COLD}.intersection(word.partition("=")[0] for word in sys.argv[2:])
    ):
        _answer_warm(sys.argv[1:])
    from .main import main as run

    run()


def _answer_warm(words: list[str]) -> None:
    """Print the warm helper's answer and end the process; return if there is none."""
    if "_VSEARCH_COMPLETE" in os.environ or None in (sys.stdin, sys.stdout, sys.stderr):
        return
    from vsearch_core.serve.warm_client import ask

    try:
        cwd = os.getcwd()
        index = _index_folder(words, cwd)
        terminals = "".join("t" if os.isatty(number) else "-" for number in range(3)).encode()
        if index is None:
            return
        arguments = [os.fsencode(word) for word in words]
        answer = ask(
            os.fsencode(index),
            arguments,
            cwd=os.fsencode(cwd),
            environment=os.environb,
            terminals=terminals,
        )
    except (OSError, AttributeError):  # AttributeError: a system without os.environb
        return
    if answer is not None:
        _write(answer.output)
        os._exit(answer.status)


def _index_folder(words: list[str], cwd: str) -> str | None:
    """Return the index folder to look for a helper of, or None.

    This is a guess of the one that the command searches; a helper runs any command, but is fast only for its own index.
    """
    for at, word in enumerate(words):
        name, _, value = word.partition("=")
        if name == _INDEX:
            named = os.path.join(cwd, value or words[at + 1] if at + 1 < len(words) else value)
            inner = os.path.join(named, _INDEX_DIR)
            return inner if os.path.isdir(inner) else named
    while True:
        index = os.path.join(cwd, _INDEX_DIR)
        if os.path.exists(os.path.join(index, _CATALOG)):
            return index
        above = os.path.dirname(cwd)
        if above == cwd:
            return None
        cwd = above


def _write(output: list[tuple[bytes, bytes]]) -> None:
    """Write the output as the command itself would, and end the process if stdout can't be written."""
    for kind, data in output:
        number, left = 2 if kind == b"2" else 1, data
        if kind == b"p" and not _fits_terminal(data):
            from .pager import show_in_pager

            if show_in_pager(data):
                continue
        try:
            while left:
                left = left[os.write(number, left) :]
        except OSError as error:
            if number == 2:
                continue  # as `output.say` does
            if isinstance(error, BrokenPipeError):
                os._exit(0)  # as `output.emit_bytes` does
            from vsearch_core.errors import StorageError

            from .advice import describe
            from .output import complain

            complain(describe(StorageError("stdout", (error.strerror or str(error)).lower(), "stdout-failed")))
            os._exit(2)


def _fits_terminal(data: bytes) -> bool:
    """Return True if the text surely takes fewer rows than the terminal has: no character is wider than its bytes."""
    try:
        columns, rows = os.get_terminal_size(1)
    except OSError:
        return False
    return b"\t" not in data and data.count(b"\n") + len(data) // max(1, columns) < rows
