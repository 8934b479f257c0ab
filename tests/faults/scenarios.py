"""The scenarios that faults are injected into: each is a command on an index and documents in a known state."""

import hashlib
import os
import random
import re
import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from faults.runner import Runner
from faults.server import ServedRun, State, live_files
from process import write_files
from support import hide_vectors, metadata_of_files, use_interim_vectors

from vsearch_core.index.commit import advance_generation
from vsearch_core.index.runs import RUN_FILE
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.lock import HOLDER_FILE
from vsearch_core.text.chunk import ChunkOptions, split
from vsearch_core.text.extract.registry import extract

CHUNKING = ChunkOptions(20, 0)
OPTIONS = ("--chunk-words", "20", "--overlap-words", "0")
_WORDS = (
    *("pump", "valve", "engine", "retry", "error", "network", "search", "river", "seed", "library", "loaf", "bread"),
    *("oven", "tool", "drill", "battery", "repair", "lamp", "wheel", "chain", "brake", "glue", "wood", "copper"),
)

_CONTENTS = (
    "SELECT key, value FROM settings WHERE key NOT IN ('last_commit', 'seal') ORDER BY key",
    "SELECT path, live, size, mtime_ns, hash, chunks FROM files ORDER BY id",
    "SELECT id, file_id, ordinal, hash, text FROM chunks ORDER BY id",
    "SELECT chunk_id, vector FROM staged ORDER BY chunk_id",
    "SELECT rows, dead FROM segments ORDER BY id",
)

Edit = Callable[[Path], None]
Contents = tuple[list[tuple[object, ...]], ...]
_NOTHING = ServedRun(0, "", "", 0, 0)


@dataclass(frozen=True)
class Scenario:
    """A command, `argv`, to inject faults into, after the `steps`: edits of the documents' folder, and other commands.

    In commands, DOCS stands for the documents' folder and HERE for the folder that contains it, also after "file:".
    """

    name: str
    steps: Sequence[Edit | Sequence[str]]
    argv: Sequence[str]
    once: bool = False  # a second run is refused, since nothing is left to do
    damage: Edit | None = None  # applied to the index last
    needs: str = ""  # a package


@dataclass(frozen=True)
class Project:
    """A prepared scenario. `folder` is where it runs; `base` is the index that each trial begins with, if any.

    `chunks` has the chunks of each version of each document, by its hash; `states` has all generations that may appear.
    `metadata` has what an undisturbed run keeps of a file with that hash, before and after it. `repaired` has the
    catalog's contents after an undisturbed repair, if the base is damaged. `checked` has what faults
    left in the folder and was found right: its digest, the last acknowledged generation and the embedded chunks.
    """

    name: str
    folder: Path
    base: Path
    documents: Path
    chunks: Mapping[bytes, Sequence[str]]
    argv: Sequence[str]
    states: Sequence[tuple[int, State]]
    undisturbed: ServedRun
    once: bool
    metadata: Mapping[bytes, set[str]]
    repaired: Contents | None = None
    checked: dict[bytes, tuple[int, int]] = field(default_factory=dict, compare=False)

    @property
    def index(self) -> Path:
        """Return the folder of the index under trial."""
        return self.folder / ".vsearch"

    def texts(self, state: State) -> dict[tuple[str, int], str]:
        """Return the texts of the chunks of that state, by path and number."""
        return {
            (path, number): text for path, digest in state.items() for number, text in enumerate(self.chunks[digest])
        }

    def run(self, runner: Runner, *argv: str, **more: Any) -> ServedRun:
        """Run the command, or another one, on the index under trial."""
        words = argv or self.argv
        return runner(*words, "--index", self.index, cwd=self.documents, watched=[self.folder], **more)

    def digest(self) -> bytes:
        """Return a hash of all files in the folder."""
        found = hashlib.blake2b()
        for path in sorted(self.folder.rglob("*")):
            is_signed = path.name.startswith((HOLDER_FILE, RUN_FILE))  # their contents have the process's number
            content = b"" if is_signed or path.is_dir() else path.read_bytes()
            found.update(repr((str(path), len(content))).encode() + content)
        return found.digest()

    def is_done(self, outcome: ServedRun) -> bool:
        """Return True if the command completed; a repair that could not recover everything exits with status 2."""
        return outcome.status == 0 or (self.repaired is not None and outcome.status == 2 and bool(outcome.stdout))

    def reset(self) -> None:
        """Restore the index that each trial begins with."""
        shutil.rmtree(self.index, ignore_errors=True)
        if self.base.exists():
            shutil.copytree(self.base, self.index)


def text(rng: random.Random, chunks: int) -> str:
    """Return a document of about that many chunks."""
    return "\n\n".join(f"{' '.join(rng.choices(_WORDS, k=16))}." for _ in range(chunks))


def write(documents: Path, *, seed: int, names: Sequence[str], chunks: int = 2) -> None:
    """Write or rewrite the documents."""
    rng = random.Random(seed)
    write_files(documents, {f"{name}.txt": text(rng, chunks) for name in names})


def age(documents: Path) -> None:
    """Make all documents older: a hit counts as changed if its file's time differs by more than a second."""
    for path in documents.rglob("*.txt"):
        os.utime(path, (0, path.stat().st_mtime - 60))


def edit(documents: Path) -> None:
    """Change, grow, empty and delete documents."""
    write(documents, seed=11, names=("a0", "a1", "sub/c0"), chunks=3)
    (documents / "a2.txt").write_text("")
    (documents / "a3.txt").unlink()


def change(documents: Path) -> None:
    """Edit the documents in every way: change, grow, empty, delete, move, copy, add."""
    edit(documents)
    write(documents, seed=12, names=("n0", "n1", "n2"))
    (documents / "a4.txt").rename(documents / "sub" / "moved.txt")
    shutil.copy(documents / "a5.txt", documents / "copy.txt")


def write_pictures(documents: Path) -> None:
    """Write texts, photos, and a document with pictures in it."""
    from coloured_documents import coloured_word
    from image_models import coloured

    write(documents, seed=3, names=("a0", "a1", "a2"))
    for number, colour in enumerate(("red", "green", "blue", "yellow")):
        (documents / f"photo{number}.png").write_bytes(coloured(colour))
    (documents / "report.docx").write_bytes(coloured_word("The pump and the valve.", "purple", "orange"))


def change_pictures(documents: Path) -> None:
    """Change, delete and add photos, and change the document with pictures in it. Texts of photos name their files."""
    from coloured_documents import coloured_word
    from image_models import coloured

    write(documents, seed=4, names=("a0",))
    (documents / "photo0.png").write_bytes(coloured("red", "blue"))
    (documents / "photo1.png").unlink()
    (documents / "photo9.png").write_bytes(coloured("purple"))
    (documents / "report.docx").write_bytes(coloured_word("The pump and the lamp.", "purple", "green", "red"))


def delete_index(documents: Path) -> None:
    """Delete the index."""
    shutil.rmtree(documents.parent / "trial" / ".vsearch")


FIRST: Edit = partial(write, seed=1, names=[f"a{number}" for number in range(9)] + ["sub/c0", "sub/c1"])
INDEX = ("index", "--json", *OPTIONS, "DOCS")
PICTURES = ("index", "--json", "--image-model", "colours", *OPTIONS, "DOCS")
OTHER_MODEL = ("index", "--json", "--image-model", "other", *OPTIONS, "DOCS")
EXPORT = ("export", "--json", "HERE/it.tar")
RE_EMBED = ("index", "--json", "--re-embed", "--model", "other")
QUICK = ("index", "--json", "--quick", *OPTIONS, "DOCS")
FEEDBACK = ("feedback", "--json", "how to repair a lamp", "DOCS/a0.txt")
REPAIR = ("repair", "--json")
PUSH = ("push", "--json", "file:HERE/store")
PULL = ("pull", "--json", "--replace", "file:HERE/store")
FRESH = ("query", "--json", "--fresh=600000", "-k", "1000", "pump valve engine")  # all files are among the hits


def damage_segments(index: Path) -> None:
    """Damage one segment's postings and another one's vectors."""
    with closing(sqlite3.connect(index / "catalog.sqlite")) as connection:
        (one,), (other,), *_ = connection.execute("SELECT name FROM segments ORDER BY id").fetchall()
    flip(index / "segments" / one / "postings_rows.npy", -3)
    flip(index / "segments" / other / "vectors.npy", -3)


def hide(documents: Path, *, names: tuple[str, ...]) -> None:
    """Take the vectors from some files of the index, as if a run had been stopped before it embedded them."""
    hide_vectors(documents.parent / "trial" / ".vsearch", lambda path: path.endswith(names))


hide_some_vectors: Edit = partial(hide, names=("1.txt", "4.txt", "5.txt"))


def make_interim(documents: Path) -> None:
    """Give the index interim vectors, as if a quick run had been stopped before it replaced them."""
    use_interim_vectors(documents.parent / "trial" / ".vsearch")


def damage_keywords(index: Path) -> None:
    """Damage the chunk ids of a segment with vectors, and the postings of the one without."""
    with closing(sqlite3.connect(index / "catalog.sqlite")) as connection:
        (one,), (other,) = connection.execute("SELECT name FROM segments ORDER BY id").fetchall()
    flip(index / "segments" / one / "chunk_ids.npy", -3)
    flip(index / "segments" / other / "postings_rows.npy", -3)


def damage_row(index: Path) -> None:
    """Damage a byte of a chunk's text in a page of the catalog."""
    with closing(sqlite3.connect(index / "catalog.sqlite")) as connection:
        (packed,) = connection.execute("SELECT text FROM chunks ORDER BY id LIMIT 1 OFFSET 5").fetchone()
    catalog = index / "catalog.sqlite"
    flip(catalog, catalog.read_bytes().index(packed) + len(packed) // 2)


def damage_pages(index: Path) -> None:
    """Zero the catalog's first page, and the root pages of the settings and the segments."""
    with closing(sqlite3.connect(index / "catalog.sqlite")) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name IN ('settings', 'segments')"
        roots = [root for (root,) in connection.execute(query)]
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with (index / "catalog.sqlite").open("r+b") as file:
        for page in (1, *roots):
            file.seek((page - 1) * size)
            file.write(bytes(size))


def damage_header(index: Path) -> None:
    """Damage the catalog's first byte while its last commit is in the log."""
    catalog, log = index / "catalog.sqlite", index / "catalog.sqlite-wal"
    with closing(sqlite3.connect(catalog, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        # A connection that has read keeps the log: only the last one to close folds it, and that is not the writer.
        connection.execute("SELECT count(*) FROM files").fetchone()
        before = catalog.read_bytes()
        with closing(Catalog.open_to_write(index)) as writer, writer.transaction():
            advance_generation(writer)
        left = log.read_bytes()
    catalog.write_bytes(before)
    log.write_bytes(left)
    flip(catalog, 0)


def flip(path: Path, offset: int) -> None:
    """Flip a bit of the byte at the offset."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 8
    path.write_bytes(data)


def churn(rounds: int) -> list[Edit | Sequence[str]]:
    """Return the steps of that many commits, each of which leaves a small segment."""
    steps: list[Edit | Sequence[str]] = []
    for number in range(rounds):
        steps += [partial(write, seed=20 + number, names=(f"r{number}",)), INDEX]
    return steps


SCENARIOS = (
    Scenario("index", [FIRST], INDEX),
    Scenario("index few", [partial(write, seed=2, names=("a0", "a1", "a2"))], INDEX),
    Scenario("quick", [FIRST], QUICK),
    Scenario("quick rest", [FIRST, INDEX, make_interim, change], INDEX),
    Scenario("embed rest", [FIRST, INDEX, hide_some_vectors, change], INDEX),
    Scenario("reindex", [FIRST, INDEX, change], INDEX),
    Scenario("merge", [*churn(7), partial(write, seed=40, names=("last",))], INDEX),
    Scenario("remove", [FIRST, INDEX], ("remove", "--json", "DOCS/a0.txt", "DOCS/sub"), once=True),
    Scenario("import", [FIRST, INDEX, EXPORT, change, INDEX], ("import", "--json", "--replace", "HERE/it.tar")),
    Scenario("first import", [FIRST, INDEX, EXPORT, delete_index], ("import", "--json", "--replace", "HERE/it.tar")),
    Scenario("compact", [*churn(3), partial(write, seed=50, names=("r0",)), INDEX], ("compact", "--json")),
    Scenario("re-embed", [FIRST, INDEX, partial(write, seed=60, names=("a0", "n0")), INDEX], RE_EMBED),
    Scenario("first pull", [FIRST, INDEX, PUSH, delete_index], PULL),
    Scenario("pull", [FIRST, INDEX, PUSH, change, INDEX, PUSH, delete_index, (*PULL, "--snapshot", "1")], PULL),
    Scenario("fresh", [FIRST, age, INDEX, partial(hide, names=("a1.txt", "a3.txt")), edit], FRESH, once=True),
    Scenario("feedback", [FIRST, INDEX], FEEDBACK),
    Scenario("tune", [FIRST, INDEX, FEEDBACK], ("tune", "--json", "--reset")),
    Scenario("pictures", [write_pictures, PICTURES, change_pictures], PICTURES, needs="PIL"),
    Scenario("image model", [write_pictures, PICTURES], OTHER_MODEL, needs="PIL"),
    Scenario("repair", [FIRST, INDEX], REPAIR, damage=damage_segments),
    Scenario("repair keywords", [FIRST, INDEX, hide_some_vectors], REPAIR, damage=damage_keywords),
    Scenario("repair row", [FIRST, INDEX], REPAIR, damage=damage_row),
    Scenario("repair pages", [FIRST, INDEX], REPAIR, damage=damage_pages),
    Scenario("repair header", [FIRST, INDEX], REPAIR, damage=damage_header),
)


def chunks_of(path: Path) -> tuple[bytes, Sequence[str]]:
    """Return a document's hash and its chunks."""
    data = path.read_bytes()
    chunks = split(extract(path.name, data), CHUNKING)
    return hashlib.blake2b(data, digest_size=16).digest(), [chunk.text for chunk in chunks]


def prepare(runner: Runner, folder: Path, scenario: Scenario) -> Project:
    """Do the steps and one undisturbed run of the command, and keep what it did."""
    documents, trial, base = folder / "documents", folder / "trial", folder / "base"
    for each in (documents, trial):
        each.mkdir(parents=True)
    places = {"DOCS": str(documents), "HERE": str(folder)}

    def placed(argv: Sequence[str]) -> list[str]:
        return [
            re.sub("^(file:)?(DOCS|HERE)", lambda found: (found[1] or "") + places[found[2]], word) for word in argv
        ]

    chunks: dict[bytes, Sequence[str]] = {}
    metadata: dict[bytes, set[str]] = {}
    own: tuple[Any, ...] = (placed(scenario.argv), [], _NOTHING, scenario.once, metadata)
    project = Project(scenario.name, trial, base, documents, chunks, *own)
    for step in scenario.steps:
        if callable(step):
            step(documents)
            chunks.update(chunks_of(path) for path in documents.rglob("*.*"))
        else:
            done = project.run(runner, *placed(step))
            assert done.status == 0, done
    catalog = project.index / "catalog.sqlite"
    states: list[tuple[int, State]] = []
    if project.index.exists():
        states.append(live_files(catalog))
        _add_metadata(metadata, catalog)
        if scenario.damage is not None:
            scenario.damage(project.index)
        shutil.copytree(project.index, base)
    done = project.run(runner, recording=True)
    repaired = None if scenario.damage is None else contents(catalog)
    project = replace(project, undisturbed=done, repaired=repaired)
    assert project.is_done(done), done
    states += [*done.states.items(), live_files(catalog)]
    _add_metadata(metadata, catalog)
    return replace(project, states=states)


def _add_metadata(metadata: dict[bytes, set[str]], catalog: Path) -> None:
    for digest, meta in metadata_of_files(catalog):
        metadata.setdefault(digest, set()).add(meta)


def contents(catalog: Path) -> Contents:
    """Return the catalog's contents without the names and numbers that differ from run to run."""
    with closing(sqlite3.connect(f"file:{quote(str(catalog))}?mode=ro", uri=True)) as connection:
        return tuple(connection.execute(query).fetchall() for query in _CONTENTS)
