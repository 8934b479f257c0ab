"""Text recognition for scanned pages, by the program OCRmyPDF, run as a separate process."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from vsearch_core.errors import ArgumentError, ExtractionError
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.failures import too_large

PROGRAM = "ocrmypdf"
SECONDS = 900.0  # that one file may take, besides what reading it takes
_INPUT, _OUTPUT = "input.pdf", "output.pdf"
# The pages that have text stay as they are, and no picture is made smaller: only the text is wanted.
_OPTIONS = ("--skip-text", "--output-type", "pdf", "--optimize", "0", "--quiet")


def require_program() -> None:
    """Raise ArgumentError unless the program is on the PATH."""
    if shutil.which(PROGRAM) is None:
        raise ArgumentError("ocr", f"there is no {PROGRAM} on the PATH", "ocr-program-missing")


def recognise(name: str, data: bytes, limit: int) -> bytes:
    """Return the PDF with a text layer on the pages that had none.

    Raises ExtractionError if the program fails or its output is larger than `limit` bytes, ArgumentError if there is
    no such program.
    """
    require_program()
    with TemporaryDirectory(prefix="vsearch-ocr-") as folder:
        (Path(folder) / _INPUT).write_bytes(data)
        messages = _run(name, folder)
        output = Path(folder) / _OUTPUT
        if not output.is_file():
            raise _failed(name, messages)
        if output.stat().st_size > limit:
            raise too_large(name)
        return output.read_bytes()


def _run(name: str, folder: str) -> str:
    """Run the program in the folder and return its stderr. It ends with the worker that runs it, at the latest."""
    with _unlimited_memory():
        ran = subprocess.run(
            [PROGRAM, *_OPTIONS, _INPUT, _OUTPUT],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
    messages = ran.stderr.decode("utf-8", "replace")
    if ran.returncode:
        raise _failed(name, messages)
    return messages


@contextmanager
def _unlimited_memory() -> Iterator[None]:
    """Lift this process's memory limit for as long as a program is started: the program would inherit it."""
    if sys.platform == "win32":
        yield
        return
    import resource

    limit, maximum = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (maximum, maximum))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, maximum))


def _failed(name: str, messages: str) -> ExtractionError:
    message = one_line(messages)[-200:] or "it did not say why"
    return ExtractionError(name, f"{PROGRAM} could not read its pictures ({message})", "ocr-failed")
