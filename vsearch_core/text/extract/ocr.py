"""Text in pictures of pages, through the program OCRmyPDF, which is run where it is installed."""

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from vsearch_core.errors import ExtractionError, InputError
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.limits import MAX_EXPANDED, too_large, unlimited_memory

PROGRAM = "ocrmypdf"
SECONDS = 900.0  # that one file may take, where a worker reads it
_INPUT, _OUTPUT = "input.pdf", "output.pdf"
# The pages that have text stay as they are, and no picture is made smaller: only the text is wanted.
_OPTIONS = ("--skip-text", "--output-type", "pdf", "--optimize", "0", "--quiet")


def require_program() -> None:
    """Raises InputError unless the program is there."""
    if shutil.which(PROGRAM) is None:
        step = "install it (apt install ocrmypdf, brew install ocrmypdf), or leave --ocr out"
        raise InputError("--ocr", f"there is no {PROGRAM} on the PATH", step)


def recognised(name: str, data: bytes) -> bytes:
    """The PDF with a text layer on the pages that had none. Raises ExtractionError."""
    require_program()
    with TemporaryDirectory(prefix="vsearch-ocr-") as folder:
        (Path(folder) / _INPUT).write_bytes(data)
        said = _run(name, folder)
        output = Path(folder) / _OUTPUT
        if not output.is_file():
            raise _failed(name, said)
        if output.stat().st_size > MAX_EXPANDED:
            raise too_large(name)
        return output.read_bytes()


def _run(name: str, folder: str) -> str:
    """Run the program in the folder; what it said on stderr. It ends with the worker that runs it, at the latest."""
    with unlimited_memory():
        ran = subprocess.run(
            [PROGRAM, *_OPTIONS, _INPUT, _OUTPUT],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
    text = ran.stderr.decode("utf-8", "replace")
    if ran.returncode:
        raise _failed(name, text)
    return text


def _failed(name: str, said: str) -> ExtractionError:
    words = one_line(said)[-200:] or "it did not say why"
    return ExtractionError(name, f"{PROGRAM} could not read its pictures ({words})", f"try `{PROGRAM}` on it by hand")
