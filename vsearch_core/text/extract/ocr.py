"""Recognises the text of scanned pages (OCR) with the program OCRmyPDF, which runs in a separate process.

Without the program, `recognition` does it.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from vsearch_core.errors import ArgumentError, ExtractionError
from vsearch_core.text.extract import recognition
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.failures import too_large
from vsearch_core.text.limits import WorkerLimits

PROGRAM = "ocrmypdf"
SECONDS = 900.0  # the additional time for reading a file with text recognition
_INPUT, _OUTPUT = "input.pdf", "output.pdf"
# Other pages are not changed, and pictures are not compressed, because only the text is used.
_OPTIONS = ("--output-type", "pdf", "--optimize", "0", "--quiet")
_PAGES_WITHOUT_TEXT = ("--skip-text",)
_PAGES_BY_NUMBER = ("--force-ocr", "--pages")


def has_program() -> bool:
    """Return True if the program ocrmypdf is on the PATH."""
    return shutil.which(PROGRAM) is not None


def require_engine() -> None:
    """Raise ArgumentError unless the package rapidocr is installed, or the program ocrmypdf is on the PATH."""
    if not recognition.is_installed():
        require_program()


def require_program() -> None:
    """Raise ArgumentError unless the program ocrmypdf is on the PATH."""
    if not has_program():
        raise ArgumentError("ocr", f"there is no {PROGRAM} on the PATH", "ocr-program-missing")


def limits(usual: WorkerLimits) -> WorkerLimits:
    """Return the limits of a worker that recognises text: those of the program's time, and of the package's models."""
    with_program = replace(usual, program_seconds=SECONDS)
    if not recognition.is_installed():
        return with_program
    memory = recognition.MEMORY
    return replace(with_program, seconds=usual.seconds + recognition.SECONDS, memory=memory, max_memory=memory)


def recognise(name: str, data: bytes, limit: int, pages: Sequence[int] = ()) -> bytes:
    """Recognise the text on the pages of a PDF that have none. Return the PDF with that text added.

    If `pages` are given, recognise the text on these pages instead, and replace any text that they have.

    Raises ExtractionError if the program fails or its output is larger than `limit` bytes, and ArgumentError if
    ocrmypdf isn't installed.
    """
    require_program()
    with TemporaryDirectory(prefix="vsearch-ocr-") as folder:
        (Path(folder) / _INPUT).write_bytes(data)
        chosen = (*_PAGES_BY_NUMBER, ",".join(map(str, pages))) if pages else _PAGES_WITHOUT_TEXT
        messages = _run(name, folder, chosen)
        output = Path(folder) / _OUTPUT
        if not output.is_file():
            raise _failed(name, messages)
        if output.stat().st_size > limit:
            raise too_large(name)
        return output.read_bytes()


def _run(name: str, folder: str, chosen: Sequence[str]) -> str:
    """Run the program in the folder and return its stderr. If the worker that runs it ends, the program is killed."""
    with _unlimited_memory():
        ran = subprocess.run(
            [PROGRAM, *chosen, *_OPTIONS, _INPUT, _OUTPUT],
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
    """Remove this process's memory limit while a program runs, because the program would inherit it."""
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
    message = one_line(messages)[-200:] or "it gave no reason"
    return ExtractionError(name, f"{PROGRAM} could not read its pictures ({message})", "ocr-failed")
