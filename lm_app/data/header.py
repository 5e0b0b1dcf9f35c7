"""Name the columns of a file: headers that are shorter or longer than the rows, empty and repeated names."""

from collections import Counter
from collections.abc import Sequence

ROW_NAMES = "X"
"""What R calls the first column where it has no name."""


def align(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str] | None:
    """Name each column, by "" where it has no name; None where header and rows do not fit together.

    Rows may end with separators that the header has not, or the header with some that the rows have not. As in R, a
    header that is shorter by one leaves out the column of row names, which is the first.
    """
    names = [name.strip() for name in header]
    widths = Counter(map(len, rows))
    [(width, _)] = widths.most_common(1)
    more = width - len(names)
    if more < 0 and not any(names[width:]):
        return names[:width]
    if more > 0 and not any(any(row[len(names) :]) for row in rows):
        return [*names, *[""] * more]
    if more == 1 and len(names) > 1:
        return ["", *names]
    return names if len(names) in widths else None


def unique(names: Sequence[str]) -> list[str]:
    """Number repeated names as R does: x, x.1, x.2."""
    made: list[str] = []
    taken = set(names)
    for name in names:
        number, new = 0, name
        while new in made or (number and new in taken):
            number += 1
            new = f"{name}.{number}"
        made.append(new)
    return made
