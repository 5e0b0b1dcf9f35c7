"""Show how far a pass over large data is: a bar on a terminal, and a line for each pass elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from lm_app.scale.cluster import Say


def telling_passes(console: Console) -> "Say":
    """Tell of each pass at its end, by a line."""

    def say(what: str, done: int, parts: int, rows: int) -> None:
        if done == parts:
            console.print(f"{what}: {parts} parts, {rows:,} rows")

    return say


@contextmanager
def progress(console: Console) -> Iterator["Say"]:
    """Give what tells of progress."""
    if not console.is_terminal:
        yield telling_passes(console)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("part"),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rows]:,} rows, left:"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None, rows=0)

        def say(what: str, done: int, parts: int, rows: int) -> None:
            if done == 0:
                bar.reset(task)  # the time left is that of this pass
            bar.update(task, description=what, completed=done, total=parts, rows=rows)

        yield say
