"""The catalog's tables; docs/format.md says what is in them."""

FORMAT = 1  # what this version writes; `PRAGMA user_version`
APPLICATION_ID = 0x76736368  # "vsch"

# Leaves its transaction open: the settings belong into it.
# Pages of 16 kB: texts of 1-3 kB leave a tenth of them unused, against a quarter of pages of 4 kB.
SCHEMA = f"""
PRAGMA page_size = 16384;
PRAGMA auto_vacuum = INCREMENTAL;
BEGIN;
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE sources (path TEXT PRIMARY KEY, options TEXT NOT NULL) STRICT;
CREATE TABLE files (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL, name TEXT NOT NULL, ext TEXT NOT NULL, dir TEXT NOT NULL, live INTEGER NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, hash BLOB NOT NULL,
    title TEXT, language TEXT, meta TEXT NOT NULL, chunks INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX files_by_path ON files (path, live);
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    file_id INTEGER NOT NULL, ordinal INTEGER NOT NULL,
    start_char INTEGER NOT NULL, end_char INTEGER NOT NULL, start_line INTEGER NOT NULL, end_line INTEGER NOT NULL,
    page INTEGER, heading TEXT, hash INTEGER NOT NULL, text BLOB NOT NULL
) STRICT;
CREATE INDEX chunks_by_file ON chunks (file_id);
CREATE INDEX chunks_by_hash ON chunks (hash);
CREATE TABLE staged (chunk_id INTEGER PRIMARY KEY, vector BLOB NOT NULL) STRICT;
CREATE TABLE segments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL, rows INTEGER NOT NULL, manifest TEXT NOT NULL, dead BLOB
) STRICT;
CREATE TABLE passed_over (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
    readers TEXT NOT NULL, binary INTEGER NOT NULL, reason TEXT NOT NULL
) STRICT;
PRAGMA user_version = {FORMAT};
PRAGMA application_id = {APPLICATION_ID};
"""
