"""Seeded forgeries of an index, with valid checksums, as an attacker can make them."""

import json
import random
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from vsearch_core.store.catalog import Catalog
from vsearch_core.store.segment import SEGMENTS_DIR, manifest_to_json, open_segment, write_segment
from vsearch_core.store.tables import CATALOG_FILE, TABLES

Forgery = Callable[[Path, random.Random, Path], None]

TEXTS = (
    *("", "x" * 200_000, "a\0b", "../../outside/secret.txt", "{outside}/secret.txt", "{outside}", "/", "..", "./../.."),
    *("/dev/zero", "/proc/self/mem", "\x1b]0;x\x07\x1b[2J", "\u202e\ufeff", "\U0001f40d" * 3000, "-rf", "$(touch x)"),
    *(".vsearch/catalog.sqlite", "a/b/../c", "1e309", "NaN", "-1", "9" * 30, "null", "[]", "{}", "[" * 20_000),
    *('{"a":' * 5000, '"text"', "true", "0", "en", "auto", "https://127.0.0.1:9/v1", "http://[::1", "\n\n", "a\tb"),
)
NUMBERS = (-(2**63), -(2**40), -1, 0, 1, 2, 3, 255, 65_536, 2**31, 2**40, 2**62, 2**63 - 1)
SCHEMAS = (
    "CREATE VIEW v AS SELECT * FROM files",
    "CREATE TRIGGER t AFTER UPDATE ON files BEGIN DELETE FROM chunks; END",
    "CREATE TABLE more (a, b AS (a || 'x'), CHECK (a > 0))",
    "CREATE VIRTUAL TABLE more USING fts5(a)",
    "CREATE TABLE more (a)",
    "CREATE INDEX more ON files (size) WHERE size > 0",
    "DROP INDEX chunks_by_file",
    "ALTER TABLE files ADD COLUMN more",
    "ALTER TABLE chunks RENAME TO former",
    "DROP TABLE staged",
    "PRAGMA user_version = {number}",
    "PRAGMA application_id = {number}",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA page_size = 512; PRAGMA journal_mode = DELETE; VACUUM",
    "PRAGMA page_size = 65536; PRAGMA journal_mode = DELETE; VACUUM",
    "PRAGMA auto_vacuum = 0; VACUUM",
)


def text(rng: random.Random, outside: Path) -> str:
    return rng.choice(TEXTS).replace("{outside}", str(outside))


def value(rng: random.Random, outside: Path, kind: str) -> object:
    """Return a value that the column's kind allows."""
    if kind == "INTEGER":
        return rng.choice(NUMBERS)
    if kind == "BLOB":
        return rng.choice((b"", b"\0", rng.randbytes(40), rng.randbytes(96), bytes(100_000), zlib.compress(b"heron")))
    return text(rng, outside)


def forge_values(index: Path, rng: random.Random, outside: Path) -> None:
    """Replace values of some rows of one table."""
    table = rng.choice(("settings", "sources", "files", "files", "chunks", "chunks", "segments", "passed_over"))
    with closing(Catalog.open_to_write(index)) as catalog, catalog.transaction():
        columns = catalog.connection.execute("SELECT name, type FROM pragma_table_info(?)", (table,)).fetchall()
        name, kind = rng.choice([each for each in columns if each[0] not in {"crc", "id"}])
        rows = [row for (row,) in catalog.connection.execute(f"SELECT rowid FROM {table}")]
        for row in rng.sample(rows, rng.randint(1, len(rows))) if rows else ():
            forged = value(rng, outside, kind)
            catalog.connection.execute(f"UPDATE OR IGNORE {table} SET {name} = ? WHERE rowid = ?", (forged, row))


def forge_setting(index: Path, rng: random.Random, outside: Path) -> None:
    """Replace a setting, or a value inside one that is JSON."""
    with closing(Catalog.open_to_write(index)) as catalog, catalog.transaction():
        settings = catalog.settings()
        key = rng.choice([*sorted(settings), "fusion", "lineage", "base_url", "generation", "fingerprint"])
        forged = text(rng, outside)
        if key == "fingerprint" and rng.random() < 0.7:
            values = json.loads(settings[key])
            values[rng.choice(sorted(values))] = rng.choice((forged, *NUMBERS, None, [], {}))
            forged = json.dumps(values)
        catalog.put_setting(key, forged)


def forge_text(index: Path, rng: random.Random, _outside: Path) -> None:
    """Replace texts by long, odd or unreadable ones."""
    data = rng.choice((b"heron " * 800_000, bytes(60_000_000), b"\xff" * 1000, b"x " * 2_000_000, b"heron. " * 10_000))
    packed = rng.choice((zlib.compress(data), zlib.compress(data)[:-4], b"", zlib.compress(data) + b"more"))
    with closing(Catalog.open_to_write(index)) as catalog, catalog.transaction():
        catalog.connection.execute("UPDATE chunks SET text = ? WHERE id % ? = 0", (packed, rng.randint(1, 4)))


def forge_rows(index: Path, rng: random.Random, outside: Path) -> None:
    """Add or delete rows."""
    with closing(Catalog.open_to_write(index)) as catalog, catalog.transaction():
        run = catalog.connection.execute
        choice = rng.randrange(5)
        if choice == 0:
            run(f"DELETE FROM {rng.choice(sorted(TABLES))} WHERE rowid % ? = 0", (rng.randint(1, 3),))
        elif choice == 1:
            run("INSERT OR REPLACE INTO sources VALUES (?, ?, 0)", (text(rng, outside), text(rng, outside)))
        elif choice == 2:
            run("INSERT OR REPLACE INTO staged VALUES (?, ?, 0)", (rng.choice(NUMBERS), rng.randbytes(96)))
        elif choice == 3:
            run("INSERT INTO segments SELECT NULL, name, rows, manifest, dead, 0 FROM segments")
        else:
            numbers = [rng.choice(NUMBERS) for _ in range(6)]
            run(
                "INSERT INTO chunks VALUES (NULL, ?, ?, ?, ?, ?, ?, NULL, NULL, 1, ?, 0)",
                (*numbers, zlib.compress(b"heron")),
            )


def forge_manifest(index: Path, rng: random.Random, outside: Path) -> None:
    """Change what the catalog says of one array."""
    with closing(Catalog.open_to_write(index)) as catalog, catalog.transaction():
        number, stored = catalog.connection.execute("SELECT id, manifest FROM segments").fetchone()
        manifest = json.loads(stored)
        name = rng.choice(sorted(manifest))
        entry = manifest[name]
        change = rng.randrange(5)
        if change == 0:
            entry[rng.choice(sorted(entry))] = rng.choice(
                (text(rng, outside), *NUMBERS, None, [], [-1], [2**39, 2**39])
            )
        elif change == 1:
            manifest[text(rng, outside)] = entry
        elif change == 2:
            del manifest[name]
        elif change == 3:
            entry["shape"] = [rng.choice(NUMBERS) for _ in range(rng.randint(0, 3))]
        else:
            entry["dtype"] = rng.choice(("<i8", "|O", "<f8", "|S1000000000", "<U5", "|V8", "|b1", "<i2"))
        catalog.connection.execute("UPDATE segments SET manifest = ? WHERE id = ?", (json.dumps(manifest), number))


def forge_array(index: Path, rng: random.Random, _outside: Path) -> None:
    """Replace an array of a segment by another one, with right checksums."""
    with closing(Catalog.open_to_write(index)) as catalog:
        record = catalog.segments()[0]
        arrays: dict[str, Any] = {
            name: np.array(array) for name, array in open_segment(index, record.name, record.manifest).items()
        }
        arrays.pop("about", None)
        name = rng.choice(sorted(arrays))
        array = arrays[name]
        change, random_values = rng.randrange(6), np.random.default_rng(rng.randrange(2**32))
        if change == 0 and array.size:
            array.flat[rng.randrange(array.size)] = _extreme(rng, array.dtype)
        elif change == 1:
            array[...] = _extreme(rng, array.dtype)
        elif change == 2:
            raw = random_values.integers(0, 256, array.nbytes, np.uint8)
            arrays[name] = raw.view(array.dtype).reshape(array.shape)
        elif change == 3:
            arrays[name] = array[: rng.randint(0, len(array))]
        elif change == 4:
            arrays[name] = np.concatenate([array, array])
        else:
            arrays[name] = array.astype(rng.choice(("u1", "i8", "f4", "f8", "u4")))
        written, manifest = write_segment(index, arrays, catalog.settings())
        with catalog.transaction():
            values = (written, json.dumps(manifest_to_json(manifest)), record.id)
            catalog.connection.execute("UPDATE segments SET name = ?, manifest = ? WHERE id = ?", values)


def _extreme(rng: random.Random, dtype: "np.dtype[Any]") -> Any:
    if dtype.kind == "f":
        return rng.choice((np.nan, np.inf, -np.inf, 1e38, 0))
    if dtype.kind == "b":
        return rng.random() < 0.5
    limits = np.iinfo(dtype)
    return rng.choice((limits.min, limits.max, 0, 1))


def forge_tombstones(index: Path, rng: random.Random, _outside: Path) -> None:
    """Replace the tombstones."""
    with closing(Catalog.open_to_write(index)) as catalog, catalog.transaction():
        dead = rng.choice((b"", b"\xff", bytes(1_000_000), rng.randbytes(8), None))
        catalog.connection.execute("UPDATE segments SET dead = ?", (dead,))


def forge_schema(index: Path, rng: random.Random, _outside: Path) -> None:
    """Change the tables, or how SQLite stores them."""
    with closing(sqlite3.connect(index / CATALOG_FILE)) as connection:
        connection.executescript(rng.choice(SCHEMAS).format(number=rng.choice((0, 1, 2, 99, -1, 2**31 - 1))))


def forge_files(index: Path, rng: random.Random, outside: Path) -> None:
    """Put something else in the place of a file, or beside it."""
    names = ["catalog.sqlite-wal", "catalog.sqlite-journal", "feedback.jsonl", "config.toml", "writer.json", "damaged"]
    path = index / rng.choice([*names, f"{SEGMENTS_DIR}/{'0' * 32}", "re-embed-0123456789abcdef.sqlite"])
    data = rng.choice((b"", b"\0" * 5000, rng.randbytes(4000), b"[" * 100_000, str(outside).encode()))
    if rng.random() < 0.3:
        path.symlink_to(outside / "secret.txt")
    elif rng.random() < 0.2:
        path.mkdir()
    else:
        path.write_bytes(data)


FORGERIES: tuple[Forgery, ...] = (
    *(forge_values, forge_values, forge_values, forge_setting, forge_setting, forge_text, forge_rows, forge_rows),
    *(forge_manifest, forge_manifest, forge_array, forge_array, forge_array, forge_tombstones),
)
LAST: tuple[Forgery, ...] = (forge_schema, forge_files)  # after them the catalog may be refused


def forge(index: Path, seed: int, outside: Path) -> list[str]:
    """Forge the index in one to three ways. Returns the names of the forgeries."""
    rng = random.Random(seed)
    chosen = rng.sample(FORGERIES, rng.randint(1, 3))
    if rng.random() < 0.2:
        chosen.append(rng.choice(LAST))
    done = []
    for each in chosen:
        try:
            each(index, rng, outside)
        except Exception as error:  # a former forgery has made the catalog unusable for this one
            done.append(f"{each.__name__} ({type(error).__name__})")
        else:
            done.append(each.__name__)
    return done
