"""Seeded clones that are made to do harm: links, special files, odd names, settings, ignore files, archives."""

import gzip
import io
import json
import os
import random
import shutil
import stat
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path

from forgery import TEXTS

from vsearch_core.config import INDEX_DIR

NAMES = (
    *("a b.md", "-rf.txt", "$(touch ran).md", "`touch ran`.txt", "\x1b]0;x\x07.md", "\u202egpj.md", "a\nb.txt", "é.md"),
    *("é.md", "x" * 250, "a\\b.txt", "CON.txt", ".hidden.md", "a.md.gz", "'; DROP TABLE files; --.txt", "%00.md"),
)
SETTINGS = (
    *("k = 10000", "k = -1", "chunk_words = 20", "mode = 'vector'", "max_file_size = '999999999999TB'", "ef = 65536"),
    *("include = ['**/../**']", "exclude = ['" + "*a" * 24 + "b']", "include = ['" + "[" * 500 + "']", "nonsense = 1"),
    *("share_vectors = true", "device = 'cuda'", "language = 'xx'", "fusion = 'rrf'", "a" + ".a" * 5000 + " = 1"),
    *("k = " + "[" * 5000, "k = 9" + "9" * 5000, "\0", "'''", "alpha = nan", "dimensions = 65536"),
)
RULES = ("*a" * 24 + "b", "*a*" * 40 + "b", "a/**/" * 30 + "b", "!" * 1000, "[" * 5000, "\0", "**", "/*", "!*", "\\")
PLACES = ("a.md", "docs", ".gitignore", ".ignore", ".vsearchignore", ".git", INDEX_DIR, f"{INDEX_DIR}/config.toml")
INNER = (
    *("catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm", "catalog.sqlite-journal", "catalog.sqlite.new"),
    *(
        "catalog.sqlite.salvage",
        "writer.lock",
        "writer.json",
        "writer.json.new",
        "run.json",
        "segments",
        "damaged",
        "config.toml",
    ),
    *("feedback.jsonl", "re-embed-0123456789abcdef.sqlite", "config.toml.new", "feedback.jsonl.new"),
)


def make(base: Path, project: Path, outside: Path, seed: int) -> list[str]:
    """Make a hostile clone of a project. Returns the names of what is hostile in it."""
    rng = random.Random(seed)
    shutil.copytree(base, project)
    if rng.random() < 0.3:
        shutil.rmtree(project / INDEX_DIR)
    done = []
    for _ in range(rng.randint(2, 5)):
        each = rng.choice((link, link, special, name, setting, rules, archive, document))
        with suppress(FileExistsError, FileNotFoundError, NotADirectoryError, IsADirectoryError):
            each(project, outside, rng)
            done.append(each.__name__)
    return done


def _place(project: Path, rng: random.Random) -> Path:
    inner = rng.random() < 0.6
    return project / INDEX_DIR / rng.choice(INNER) if inner else project / rng.choice(PLACES)


def _clear(path: Path) -> Path:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return path


def link(project: Path, outside: Path, rng: random.Random) -> None:
    """Put a link in the place of a file or folder."""
    targets: tuple[Path, ...] = (outside, outside / "secret.txt", outside / "victim", outside / "new")
    targets += (
        Path("../outside/secret.txt"),
        Path(".."),
        Path(),
        Path("loop"),
        Path("/dev/zero"),
        Path("/proc/self/fd/0"),
    )
    path = _clear(_place(project, rng)) if rng.random() < 0.7 else project / f"link{rng.randrange(100)}.md"
    path.symlink_to(rng.choice(targets))


def special(project: Path, _outside: Path, rng: random.Random) -> None:
    """Put a pipe, a socket or a folder in the place of a file."""
    path = _clear(_place(project, rng)) if rng.random() < 0.7 else project / f"special{rng.randrange(100)}.md"
    kind = rng.randrange(3)
    if kind == 0:
        os.mkfifo(path)
    elif kind == 1:
        os.mknod(path, stat.S_IFSOCK | 0o600)  # a path may be too long for bind
    else:
        path.mkdir()


def name(project: Path, _outside: Path, rng: random.Random) -> None:
    """Add a file, or a deep folder, with an odd name."""
    folder = project
    for _ in range(rng.choice((0, 1, 60))):
        folder /= rng.choice(("a", "d" * 20, "é"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / rng.choice(NAMES)).write_text("heron")


def setting(project: Path, outside: Path, rng: random.Random) -> None:
    """Write a file of settings."""
    (project / INDEX_DIR).mkdir(exist_ok=True)
    lines = rng.sample(SETTINGS, rng.randint(1, 3))
    lines.append(f"{rng.choice(('base_url', 'language', 'mode'))} = {json.dumps(rng.choice(TEXTS))}")
    data = "\n".join(lines).replace("{outside}", str(outside))
    path = _clear(project / INDEX_DIR / "config.toml")
    path.write_text(data)
    if rng.random() < 0.1:
        os.truncate(path, 3_000_000_000)


def rules(project: Path, _outside: Path, rng: random.Random) -> None:
    """Write an ignore file."""
    path = _clear(project / rng.choice((".gitignore", ".ignore", ".vsearchignore")))
    path.write_text("\n".join(rng.sample(RULES, rng.randint(1, 3))))
    (project / ("a" * 200)).write_text("x")
    if rng.random() < 0.2:
        os.truncate(path, rng.choice((0, 1_000_000, 3_000_000_000)))


def archive(project: Path, outside: Path, rng: random.Random) -> None:
    """Write a file that unpacks to much, or elsewhere."""
    path, kind = project / f"archive{rng.randrange(100)}", rng.randrange(4)
    if kind == 0:
        path.with_suffix(".txt.gz").write_bytes(gzip.compress(bytes(100_000_000), 1))
    elif kind == 1:
        with zipfile.ZipFile(path.with_suffix(".docx"), "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("../../outside/new", "x")
            packed.writestr("word/document.xml", bytes(60_000_000))
    elif kind == 2:
        with tarfile.open(project / "index.tar", "w") as packed_tar:
            info = tarfile.TarInfo(f"{outside}/new")
            info.size = 1
            packed_tar.addfile(info, io.BytesIO(b"x"))
    else:
        (project / "index.tar").write_bytes(rng.randbytes(3000))


def document(project: Path, _outside: Path, rng: random.Random) -> None:
    """Write a document that is costly to read."""
    texts = ("[" * 100_000, "- " * 50_000, "<div>" * 20_000, "heron\n" * 50_000, "\0" * 5000, "a: &a [*a, *a]\n" * 500)
    suffix = rng.choice((".md", ".json", ".html", ".txt", ".yaml", ".csv", ".ipynb", ".rst", ".tex", ".eml", ".xml"))
    (project / f"document{rng.randrange(100)}{suffix}").write_text(rng.choice(texts))
