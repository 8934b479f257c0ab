"""Open an index with the options of the command line, the configuration and the environment."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsearch_core.errors import IndexNotFoundError, InputError

from . import locate
from .consent import Consent
from .defaults import SETTINGS, choose
from .environment import base_urls, cache_dir, credentials
from .option_rules import refuse_idle_options
from .servers import address_of, refuse_server

if TYPE_CHECKING:
    from vsearch_core import Embedder, EmbedderSpec, Index, JoinedIndexes, Observer, ServerIndex
    from vsearch_core.embed.base import OpenEmbedder
    from vsearch_core.embed.open import LoadedModels
    from vsearch_core.library.readers import KeptReaders


@dataclass(frozen=True, slots=True)
class Kept:
    """Models that a warm helper keeps in memory, and a function that returns the open files of an index folder."""

    readers: "Callable[[Path], KeptReaders | None]"
    models: "LoadedModels"


WARM_PROVIDERS = {"local", "static"}  # embedders that a warm helper runs
KEPT: ContextVar[Kept | None] = ContextVar("kept", default=None)  # set while a helper runs a command

# Options of `vsearch index` that describe an index; one that exists keeps its own.
INDEX_OPTIONS = ("embedder", "model", "base_url", "dimensions", "chunk_words", "overlap_words", "language", "ann")


def open_index(folder: Path, **options: Any) -> "Index":
    """Open the local index in a folder: see `open_any_index`. Raises InputError if it stands for one on a server."""
    refuse_server(folder, "this")
    from vsearch_core import Index

    opened = open_any_index(folder, **options)
    assert isinstance(opened, Index)
    return opened


def open_any_index(
    folder: Path,
    *,
    create: bool = False,
    yes: bool = False,
    report: Callable[[str], None] = lambda _: None,
    observer: "Observer | None" = None,
    project: Path | None = None,
    share_vectors: bool = False,
    read_examples: bool = True,
    wrap_opener: "Callable[[OpenEmbedder], OpenEmbedder]" = lambda opener: opener,
    **given: Any,
) -> "Index | ServerIndex":
    """Open the index in a folder; with `create`, make a new one if there is none.

    The folder may stand for an index on a server, which takes no defaults from the configuration.

    With `yes`, text is sent to remote providers without asking. `report` is called with each line about models. Waiting
    for a provider ends when the observer's `should_stop` returns True. `project` is the folder that questions to the
    user name, instead of the index folder. `share_vectors` and `read_examples` are those of `vsearch_core.open_index`.
    `wrap_opener` may replace the function that opens embedders. `given` are options of `vsearch index` by name; an
    option that is None gets its configured value.
    """
    import vsearch_core
    from vsearch_core import Observer

    observer = observer or Observer()
    agreement = Consent(project or folder, yes=yes)
    kept = KEPT.get()
    embedding = {name: given.get(name) for name in ("device", "base_url", "rpm", "tpm")}
    address = address_of(folder)
    if address is not None:
        made_with = {name: given.get(name) for name in INDEX_OPTIONS} if create else {}
        made_with["model"] = absolute_model(made_with.get("model"), locate.working_folder())
    elif create:
        made_with = index_options(folder, agreement, **{name: given.get(name) for name in INDEX_OPTIONS})
    else:
        made_with = {}
    if create and address is None:
        made_with["vectors"] = given.get("vectors")
    if not create and given.get("base_url") is not None:
        made_with["base_url"] = given["base_url"]
    opener = wrap_opener(
        embedder_opener(folder, report=report, stop=observer.should_stop, agreement=agreement, **embedding)
    )
    image_model = given.get("image_model")
    if image_model is not None:
        made_with["image_model"] = absolute_model(image_model, locate.working_folder())
    if address is not None:
        return vsearch_core.open_server_index(
            address,
            root=folder.parent,
            open_embedder=opener,
            consent=agreement,
            approve=agreement.approve,
            read_examples=read_examples,
            cache_dir=cache_dir(),
            default_base_urls=base_urls(),
            observer=observer,
            dimension=made_with.pop("dimensions", None),
            **made_with,
        )
    return vsearch_core.open_index(
        folder,
        create=create,
        open_embedder=opener,
        consent=agreement,
        approve=agreement.approve,
        share_vectors=share_vectors,
        read_examples=read_examples and kept is None,
        readers=None if kept is None else kept.readers(folder),
        cache_dir=cache_dir(),
        default_base_urls=base_urls(),
        observer=observer,
        dimension=made_with.pop("dimensions", None),
        **made_with,
    )


@contextmanager
def open_indexes(folders: Sequence[Path], **options: Any) -> "Iterator[Index | JoinedIndexes | ServerIndex]":
    """Open one index, or several to search them as one. `options` are those of `open_index`, for the first of them."""
    with ExitStack() as stack:
        if len(folders) > 1:
            first = stack.enter_context(open_index(folders[0], **options))
            yield stack.enter_context(first.join(folders[1:]))
            return
        one = open_any_index(folders[0], **options)
        stack.callback(one.close)
        yield one


def index_options(folder: Path, agreement: Consent, **given: Any) -> dict[str, Any]:
    """Return the options for a new index, with configured values. For an existing index, return only those given.

    Raises InputError if the project's file names an embedder that the user doesn't approve of.
    """
    from vsearch_core.store.tables import CATALOG_FILE

    options = {**given, "model": absolute_model(given["model"], locate.working_folder())}
    if not (folder / CATALOG_FILE).exists():
        chosen = choose(folder, **options)
        chosen["model"] = absolute_model(chosen["model"], folder.parent)
        named = {key: chosen[key] for key in ("embedder", "model", "base_url") if options[key] is None}
        _approve(folder, agreement, named)
        return chosen
    return options


def _approve(folder: Path, agreement: Consent, named: dict[str, Any]) -> None:
    """Raise InputError unless the user approves of the named settings; defaults, and None, need no approval."""
    from vsearch_core.index.choices import unchosen_error

    new = {key: value for key, value in named.items() if value not in {None, SETTINGS[key].default}}
    if new and not agreement.approve(new):
        raise unchosen_error(folder, new)


def absolute_model(model: str | None, base: Path) -> str | None:
    """Return the absolute path if the model is a folder, so that it is found from anywhere; else return it as it is."""
    folder = locate.file(model if model.startswith("~") else str(base / model)) if model else None
    return str(folder) if folder and folder.is_dir() else model


def provider_of(folder: Path, embedder: str | None = None) -> str:
    """Return the kind of embedder of the index in a folder; if there is no index, the kind that a new one gets.

    `embedder` is the option of the command line; if it is None, the configured kind counts.
    """
    from vsearch_core.store.tables import CATALOG_FILE

    if (folder / CATALOG_FILE).exists() or address_of(folder) is not None:
        with suppress(IndexNotFoundError), open_any_index(folder) as existing:
            return (existing.coming or existing.fingerprint).provider
    provider: str = choose(folder, embedder=embedder)["embedder"]
    return provider


def refuse_idle_address(command: str, folder: Path, base_url: str | None) -> None:
    """Raise InputError if there is a base URL for an index whose embedder sends no requests."""
    if base_url is not None:
        refuse_idle_options(command, embedder=provider_of(folder))


def embedder_opener(
    project: Path,
    *,
    report: Callable[[str], None],
    stop: Callable[[], bool] = lambda: False,
    agreement: Consent | None = None,
    device: str | None = None,
    base_url: str | None = None,
    rpm: int | None = None,
    tpm: int | None = None,
) -> "OpenEmbedder":
    """Return a function that opens an embedder, given its specification.

    `project` is the index folder, whose configuration counts. `report` is called with each line about models. Waiting
    for a provider ends when `stop` returns True. `agreement` is asked about a device that the project's file names. The
    other arguments are options of the command line; one that is None gets its configured value.
    """
    kept = KEPT.get()  # here, because another thread may call the function

    def opener(spec: "EmbedderSpec") -> "Embedder":
        from vsearch_core.embed.open import open_embedder, recipient
        from vsearch_core.embed.remote.retry import RequestPolicy

        if kept is not None and spec.provider not in WARM_PROVIDERS:
            raise InputError(spec.provider, "isn't run by a warm helper")
        chosen = choose(project, device=device, rpm=rpm, tpm=tpm)
        if spec.provider == "sentence-transformers" and device is None:
            _approve(project, agreement or Consent(project), {"device": chosen["device"]})
        return open_embedder(
            spec,
            # A local address needs no consent, and so gets no key from an index that somebody else may have made.
            credentials=credentials(spec.provider, base_url or (spec.base_url if recipient(spec) else None)),
            cache_dir=cache_dir(),
            device=chosen["device"] if spec.provider == "sentence-transformers" else device,
            policy=RequestPolicy(chosen["rpm"], chosen["tpm"], stop=stop, report=report),
            report=report,
            loaded=None if kept is None else kept.models,
        )

    return opener


@contextmanager
def interruptible() -> "Iterator[Observer]":
    """Yield an observer that asks to stop after Ctrl-C, so that threads that wait for a provider end."""
    from threading import Event

    from vsearch_core import Observer

    from .output import PREPARING, complain

    interrupted = Event()
    try:
        yield Observer(should_stop=interrupted.is_set, compiling=lambda: complain(PREPARING))
    except KeyboardInterrupt:
        interrupted.set()
        raise
