"""How well real documents are read: PDFs against another extractor, old encodings against the truth.

    python -m benchmarks.documents FOLDER [--all]

FOLDER holds PDFs anywhere below it, and texts in folders named for their encodings below `chardet-encodings`. The other
extractor is PDFium (the package pypdfium2). Agreement is the share of words, counted as often as they come, that both
found: 2 × common / (ours + theirs). Without `--all`, files on which they agree by 0.95 or more are only counted.
"""

import argparse
import re
import time
from collections import Counter
from pathlib import Path

from vsearch_core.errors import BinaryFileError, ExtractionError
from vsearch_core.text.extract.decode import decode
from vsearch_core.text.extract.registry import extract

AGREES = 0.95
_WORD = re.compile(r"\w+")


def pdfium_text(data: bytes) -> str | None:
    """The text of all pages by PDFium, None where it can't open the file."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
        return "\n".join(page.get_textpage().get_text_bounded() for page in document)
    except pypdfium2.PdfiumError:
        return None


def agreement(ours: str, theirs: str) -> float:
    """Words that both have, over the mean of what each has; 1 where neither has any."""
    first, second = (Counter(_WORD.findall(text.lower())) for text in (ours, theirs))
    total = first.total() + second.total()
    return 2 * (first & second).total() / total if total else 1.0


def compare_pdfs(folder: Path, show_all: bool) -> None:
    """Print the files that differ, and totals."""
    shares: list[float] = []
    outcomes: Counter[str] = Counter()
    ours_took = theirs_took = 0.0
    for path in sorted(folder.rglob("*.pdf")):
        data = path.read_bytes()
        begun = time.perf_counter()
        try:
            ours, said = extract(path.name, data).text, ""
        except ExtractionError as error:
            ours, said = "", error.reason
        between = time.perf_counter()
        theirs = pdfium_text(data)
        ours_took, theirs_took = ours_took + between - begun, theirs_took + time.perf_counter() - between
        share = agreement(ours, theirs or "")
        kind = (
            "both" if ours and theirs else "ours only" if ours else "theirs only" if (theirs or "").strip() else "none"
        )
        outcomes[kind] += 1
        if kind == "both":
            shares.append(share)
        if show_all or (kind != "none" and share < AGREES):
            words = [len(_WORD.findall(text or "")) for text in (ours, theirs)]
            print(f"{share:5.3f}  {words[0]:6,} {words[1]:6,}  {path.relative_to(folder)}  {said}")
    print(f"text by: {dict(outcomes)}; agreement where both have text: mean {sum(shares) / max(len(shares), 1):.3f},")
    print(f"{sum(share >= AGREES for share in shares)} of {len(shares)} files at {AGREES} or more")
    print(f"took: ours {ours_took:.1f} s, PDFium {theirs_took:.1f} s")


def compare_encodings(folder: Path) -> None:
    """Print, by encoding, which files do not come out as their true encoding gives them."""
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
    print(f"{same} of {total} files come out as they are ({same / max(total, 1):.1%}), {near} nearly so")


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--all", action="store_true", help="name every PDF")
    arguments = parser.parse_args()
    compare_pdfs(arguments.folder, arguments.all)
    compare_encodings(arguments.folder / "chardet-encodings")


if __name__ == "__main__":
    main()
