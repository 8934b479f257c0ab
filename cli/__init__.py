"""The `vsearch` command. Installed as `vsearch_cli`; nothing else knows Typer or a terminal."""
