"""Search a folder of documents by meaning and by keyword, offline.

    import vsearch_core as vsearch

    with vsearch.open_index("notes", create=True) as index:
        index.update(["notes"])
        for hit in index.search("late fee", k=5, where="ext = 'md'").hits:
            print(hit.path, hit.start_line, hit.score, hit.text)

Importing this package imports none of its modules: each name is imported when it is first used. The library prints
nothing and reads no environment variables.
"""

TYPE_CHECKING = False  # as in `typing`, whose import would delay every command that the warm helper answers
if TYPE_CHECKING:
    from vsearch_core.embed.base import Batch, Embedder
    from vsearch_core.errors import (
        ArchiveError,
        ArgumentError,
        BinaryFileError,
        EncryptedError,
        ExtractionError,
        FilterError,
        IndexCorruptError,
        IndexLockedError,
        IndexMismatchError,
        IndexNotFoundError,
        IndexStateError,
        IndexVersionError,
        InputError,
        ModelError,
        PictureError,
        PicturesOnlyError,
        ProviderError,
        SecretFileError,
        SnapshotError,
        SourceArchiveError,
        StorageError,
        VsearchError,
    )
    from vsearch_core.evaluate.dataset import Dataset
    from vsearch_core.evaluate.feedback import Verdict
    from vsearch_core.evaluate.report import EvaluationReport
    from vsearch_core.index.check import CheckReport
    from vsearch_core.index.compaction import CompactionSummary
    from vsearch_core.index.copying import CopySummary
    from vsearch_core.index.forecast import Forecast
    from vsearch_core.index.progress import Observer, Progress, StoppedError
    from vsearch_core.index.pull import PullSummary
    from vsearch_core.index.push import PushSummary
    from vsearch_core.index.re_embedding import ReEmbedSummary
    from vsearch_core.index.removal import RemovalSummary
    from vsearch_core.index.repair import RepairSummary
    from vsearch_core.index.status import Status
    from vsearch_core.index.transfer import TransferSummary
    from vsearch_core.index.watch import UpdateFailed, WatchStarted
    from vsearch_core.index.writer import UpdateSummary
    from vsearch_core.library.archives import import_index
    from vsearch_core.library.copying import copy_index
    from vsearch_core.library.index import Index, Tuning
    from vsearch_core.library.joined import JoinedIndexes
    from vsearch_core.library.opening import open_index, open_reranker, open_server_index, repair_index
    from vsearch_core.library.options import FilterOptions, SearchOptions, UpdateOptions, search_request
    from vsearch_core.library.server_index import ServerIndex
    from vsearch_core.library.snapshots import Snapshots, pull_index
    from vsearch_core.model import EmbedderSpec, Fingerprint, RawDocument
    from vsearch_core.search.duplicates import DuplicateMember, Duplicates
    from vsearch_core.search.filters import Filters
    from vsearch_core.search.quote_text import QuoteChange
    from vsearch_core.search.request import SearchRequest
    from vsearch_core.search.results import Hit, NearDuplicate, NotReread, Results
    from vsearch_core.search.stored_text import StoredText
    from vsearch_core.search.tuned import TunedFusion
    from vsearch_core.search.verify import Claim, FoundText, Verification
    from vsearch_core.store.snapshot_history import SnapshotHistory, StoredSnapshot
    from vsearch_core.store.states import FileState

    __version__: str

__all__ = [
    "ArchiveError",
    "ArgumentError",
    "Batch",
    "BinaryFileError",
    "CheckReport",
    "Claim",
    "CompactionSummary",
    "CopySummary",
    "Dataset",
    "DuplicateMember",
    "Duplicates",
    "Embedder",
    "EmbedderSpec",
    "EncryptedError",
    "EvaluationReport",
    "ExtractionError",
    "FileState",
    "FilterError",
    "FilterOptions",
    "Filters",
    "Fingerprint",
    "Forecast",
    "FoundText",
    "Hit",
    "Index",
    "IndexCorruptError",
    "IndexLockedError",
    "IndexMismatchError",
    "IndexNotFoundError",
    "IndexStateError",
    "IndexVersionError",
    "InputError",
    "JoinedIndexes",
    "ModelError",
    "NearDuplicate",
    "NotReread",
    "Observer",
    "PictureError",
    "PicturesOnlyError",
    "Progress",
    "ProviderError",
    "PullSummary",
    "PushSummary",
    "QuoteChange",
    "RawDocument",
    "ReEmbedSummary",
    "RemovalSummary",
    "RepairSummary",
    "Results",
    "SearchOptions",
    "SearchRequest",
    "SecretFileError",
    "ServerIndex",
    "SnapshotError",
    "SnapshotHistory",
    "Snapshots",
    "SourceArchiveError",
    "Status",
    "StoppedError",
    "StorageError",
    "StoredSnapshot",
    "StoredText",
    "TransferSummary",
    "TunedFusion",
    "Tuning",
    "UpdateFailed",
    "UpdateOptions",
    "UpdateSummary",
    "Verdict",
    "Verification",
    "VsearchError",
    "WatchStarted",
    "__version__",
    "copy_index",
    "import_index",
    "open_index",
    "open_reranker",
    "open_server_index",
    "pull_index",
    "repair_index",
    "search_request",
]

# The modules that the names of `__all__` come from, by name. `tests/library/test_exports.py` compares the two.
_MODULES = {
    **dict.fromkeys(("Batch", "Embedder"), "embed.base"),
    **dict.fromkeys((name for name in __all__ if name.endswith("Error")), "errors"),
    "Dataset": "evaluate.dataset",
    "Verdict": "evaluate.feedback",
    "EvaluationReport": "evaluate.report",
    "CheckReport": "index.check",
    "CompactionSummary": "index.compaction",
    "CopySummary": "index.copying",
    "Forecast": "index.forecast",
    **dict.fromkeys(("Observer", "Progress", "StoppedError"), "index.progress"),
    "PullSummary": "index.pull",
    "PushSummary": "index.push",
    "ReEmbedSummary": "index.re_embedding",
    "RemovalSummary": "index.removal",
    "RepairSummary": "index.repair",
    "Status": "index.status",
    "TransferSummary": "index.transfer",
    **dict.fromkeys(("UpdateFailed", "WatchStarted"), "index.watch"),
    "UpdateSummary": "index.writer",
    "import_index": "library.archives",
    "copy_index": "library.copying",
    **dict.fromkeys(("Index", "Tuning"), "library.index"),
    "JoinedIndexes": "library.joined",
    **dict.fromkeys(("open_index", "open_reranker", "repair_index"), "library.opening"),
    **dict.fromkeys(("Snapshots", "pull_index"), "library.snapshots"),
    "ServerIndex": "library.server_index",
    **dict.fromkeys(("open_index", "open_reranker", "open_server_index", "repair_index"), "library.opening"),
    **dict.fromkeys(("FilterOptions", "SearchOptions", "UpdateOptions", "search_request"), "library.options"),
    **dict.fromkeys(("EmbedderSpec", "Fingerprint", "RawDocument"), "model"),
    **dict.fromkeys(("Hit", "NearDuplicate", "NotReread", "Results"), "search.results"),
    **dict.fromkeys(("DuplicateMember", "Duplicates"), "search.duplicates"),
    "Filters": "search.filters",
    "SearchRequest": "search.request",
    "StoredText": "search.stored_text",
    "TunedFusion": "search.tuned",
    "QuoteChange": "search.quote_text",
    **dict.fromkeys(("Claim", "FoundText", "Verification"), "search.verify"),
    **dict.fromkeys(("SnapshotHistory", "StoredSnapshot"), "store.snapshot_history"),
    "FileState": "store.states",
}


if not TYPE_CHECKING:  # else type checkers would accept any name

    def __getattr__(name: str) -> object:
        """Import a name of `__all__` when it is first used."""
        value: object
        if name == "__version__":
            from importlib.metadata import version

            value = version("vsearch")
        elif name in _MODULES:
            from importlib import import_module

            value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
