"""The command `vsearch similar`."""

from typing import Annotated

import typer

from . import locate
from .opening import interruptible, open_indexes, refuse_idle_address
from .option_rules import refuse_idle_options
from .output import say
from .search_options import SearchArguments, grouped
from .stdin_document import NAME_HELP, STDIN, read_document
from .warm import start_if_wanted


@grouped
def similar(
    file: Annotated[
        str, typer.Argument(metavar="FILE[:LINE]|-", help="A file, or a line in it; -: a document on stdin.")
    ],
    name: Annotated[str | None, typer.Option(metavar="NAME", help=f"{NAME_HELP}  [default: plain text]")] = None,
    arguments: SearchArguments = SearchArguments(),  # noqa: B008 - frozen
) -> int:
    """Find chunks with a similar meaning to a file, or to the chunk at a line of it.

    A file in the index needs no model. Any other file is read and embedded. Exit status: 0 hits, 1 no hit, 2 error.
    """
    from . import render

    output = arguments.output
    is_document = file == STDIN
    refuse_idle_options("similar", format=arguments.format, input="stdin" if is_document else "paths")
    folders = arguments.index_folders()
    folder = folders[0]
    refuse_idle_address("similar", folder, arguments.base_url)
    options = arguments.search_options(folders)
    if is_document:
        options["more_like"] = [read_document("similar", name, folder)]
    else:
        options["more_like"] = [str(locate.expanded(file))]
    yes, base_url = arguments.yes, arguments.base_url
    with (
        interruptible() as observer,
        open_indexes(folders, yes=yes, base_url=base_url, report=say, observer=observer) as index,
    ):
        results = index.similar(file, snippets=output == "text", **options)
        status = render.show(results, index.root, arguments)
    start_if_wanted(folder)
    return status
