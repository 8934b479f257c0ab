"""Run the command line as `python -m vsearch_cli`."""

from .start import main

main()
