"""Measure how well real documents are read: PDFs against another reader, old encodings against the true text.

    python -m benchmarks.documents FOLDER [--all]

FOLDER holds PDFs at any depth, and texts below `chardet-encodings`, in folders named after their encodings. The other
reader is pypdf alone. Agreement is the share of words, with repetitions, that both found: 2 × common /
(ours + theirs). Without `--all`, files with an agreement of 0.95 or more are only counted.
"""

import argparse
import io
import re
import time
from collections import Counter
from pathlib import Path

from vsearch_core.errors import BinaryFileError, ExtractionError
from vsearch_core.text.extract.decode import decode
from vsearch_core.text.extract.registry import extract

GOOD_AGREEMENT = 0.95
_WORD = re.compile(r"\w+")
_BROKEN = re.compile(r"(?<=\w)-\n")


def pypdf_text(data: bytes) -> str:
    """Return the text of all pages as pypdf reads it, "" if it can't open the file."""
    from pypdf import PdfReader

    try:
        return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)
    except Exception:  # pypdf documents that damaged files may cause any exception
        return ""


def words(text: str) -> Counter[str]:
    """Return the words of a text with their counts. Parts of a word at two ends of a line are one word."""
    return Counter(_WORD.findall(_BROKEN.sub("", text).lower()))


def compare_pdfs(folder: Path, show_all: bool) -> None:
    """Print the PDFs that differ, and totals."""
    shares: list[float] = []
    outcomes: Counter[str] = Counter()
    common = ours_total = theirs_total = 0
    our_seconds = their_seconds = 0.0
    for path in sorted(folder.rglob("*.pdf")):
        data = path.read_bytes()
        begun = time.process_time()
        try:
            text, reason = extract(path.name, data).text, ""
        except ExtractionError as error:
            text, reason = "", error.reason
        between = time.process_time()
        ours, theirs = words(text), words(pypdf_text(data))
        our_seconds, their_seconds = our_seconds + between - begun, their_seconds + time.process_time() - between
        both, total = (ours & theirs).total(), ours.total() + theirs.total()
        common, ours_total, theirs_total = common + both, ours_total + ours.total(), theirs_total + theirs.total()
        kind = "both" if ours and theirs else "ours only" if ours else "theirs only" if theirs else "none"
        outcomes[kind] += 1
        share = 2 * both / total if total else 1.0
        if kind == "both":
            shares.append(share)
        if show_all or (kind != "none" and share < GOOD_AGREEMENT):
            print(f"{share:5.3f}  {ours.total():6,} {theirs.total():6,}  {path.relative_to(folder)}  {reason}")
    print(f"text by: {dict(outcomes)}; of pypdf's words, recall {common / max(theirs_total, 1):.3f}", end="")
    print(f", precision {common / max(ours_total, 1):.3f}")
    print(f"agreement where both have text: mean {sum(shares) / max(len(shares), 1):.3f},", end=" ")
    print(f"{sum(share >= GOOD_AGREEMENT for share in shares)} of {len(shares)} files at {GOOD_AGREEMENT} or more")
    print(f"CPU time: ours {our_seconds:.1f} s, pypdf {their_seconds:.1f} s")


def compare_encodings(folder: Path) -> None:
    """Print the texts that are not decoded as by their true encoding, and totals."""
    same = near = total = 0
    for path in sorted(folder.glob("*/*")):
        data = path.read_bytes()
        truth = _decoded_as(data, path.parent.name)
        if truth is None:
            continue
        try:
            text = decode(path.name, data)
        except BinaryFileError as error:
            text = error.reason
        differing = sum(a != b for a, b in zip(text, truth, strict=False)) + abs(len(text) - len(truth))
        total += 1
        same += not differing
        near += 0 < differing <= 0.02 * len(truth)
        if differing:
            print(f"{differing:6,} of {len(truth):7,} characters differ  {path.relative_to(folder)}")
    print(f"{same} of {total} files decoded exactly ({same / max(total, 1):.1%}), {near} nearly")


def _decoded_as(data: bytes, folder: str) -> str | None:
    for encoding in (folder, folder.rpartition("-")[0]):  # "windows-1250-czech"
        try:
            text = data.decode(encoding)
        except LookupError:
            continue
        except UnicodeDecodeError:
            return None
        return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return None


def main() -> None:
    """Print both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--all", action="store_true", help="name every PDF")
    arguments = parser.parse_args()
    compare_pdfs(arguments.folder, arguments.all)
    compare_encodings(arguments.folder / "chardet-encodings")


if __name__ == "__main__":
    main()
