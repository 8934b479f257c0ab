"""Run the command line as `python -m vsearch_cli`."""

from .main import main

main()
