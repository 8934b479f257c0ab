"""Write docs/page.png: the web page of a real `vsearch serve` on sample_corpus.

Run `python -m docs.screenshot` after the page has changed. It needs playwright, pillow (`pip install
playwright pillow`) and Chromium.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

ROOT = Path(__file__).parent.parent
TARGET = Path(__file__).with_name("page.png")
QUERY = "can I put out a burning scooter battery with an extinguisher"
SIZE = {"width": 1100, "height": 600}
COLOURS = 96
PORT = 8793
ADDRESS = f"http://127.0.0.1:{PORT}"


def main() -> None:
    """Index a copy of sample_corpus, serve it, and write the picture."""
    vsearch = str(Path(sys.executable).with_name("vsearch"))
    with TemporaryDirectory() as folder:
        for name in ("handbook", "workshop", "heron", "seed library"):
            shutil.copytree(ROOT / "sample_corpus" / name, Path(folder, name))
        subprocess.run([vsearch, "index", "."], cwd=folder, check=True)
        command = [vsearch, "serve", "--port", str(PORT), "--quiet"]
        with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE) as server:
            assert server.stderr is not None
            print(server.stderr.readline().decode(), end="")
            try:
                _take_picture(f"{ADDRESS}/?{urlencode({'q': QUERY})}")
            finally:
                server.terminate()
    _reduce_colours()
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes")


def _take_picture(address: str) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page(viewport=SIZE)
        tab.goto(address)
        tab.locator("#q").blur()
        tab.screenshot(path=TARGET)
        browser.close()


def _reduce_colours() -> None:
    """Write the picture again with a palette, which makes it a third of its size."""
    from PIL import Image

    with Image.open(TARGET) as picture:
        reduced = picture.convert("RGB").quantize(COLOURS)
    reduced.save(TARGET, optimize=True)


if __name__ == "__main__":
    main()
