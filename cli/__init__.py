"""The `vsearch` command. It is installed as the package `vsearch_cli`, the only one that uses Typer or a terminal."""

import _signal as signal  # type: ignore[import-not-found]  # `signal` is slower to import than a warm helper to answer

# Ctrl-C during the imports ends the process without a traceback; `main` takes it over once it can answer in a line.
signal.signal(signal.SIGINT, signal.SIG_DFL)
