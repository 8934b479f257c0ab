"""The progress bar on its own."""

from vsearch_cli.progress import Bar

from vsearch_core.index.progress import Progress


def test_a_progress_bar_that_was_removed_while_reading_is_drawn_again() -> None:
    with Bar(hidden=False) as bar:
        bar.show(Progress("reading", 1, 3))
        bar.show(Progress("embedding", 800, 900))
        bar.close()
        bar.show(Progress("embedding", 800, 900))
