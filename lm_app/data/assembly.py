"""Put columns together as a table, and tell what is odd about them."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from lm_app.data.columns import Numbers, Texts
from lm_app.data.header import ROW_NAMES, unique
from lm_app.data.table import Column, Table

SHOWN_COLUMNS = 5


def assemble(
    names: Sequence[str], columns: Sequence[Numbers | Texts], marks: str, factors: Collection[str], notes: list[str]
) -> Table:
    """Type and name the columns; the first, where it has no name, has the names of the rows.

    `marks` are the decimal marks that a column may have; `factors` are columns that keep their texts. Columns
    without a name are left out.
    """
    named, row_names = _named(names, columns, notes)
    times = Counter(names)
    made = {}
    for name, column in named.items():
        typed = column.column(name, marks, convert=name not in factors)
        if times[name] > 1:
            typed = replace(typed, problem=f"{times[name]} columns have this name; rename all but one")
        made[name] = typed
    if len(marks) > 1:
        made |= _doubtful(made, named)
    texts = {name: column for name, column in named.items() if isinstance(column, Texts) and made[name].type == "text"}
    notes += _missing(texts)
    return Table(made, len(columns[0].values), row_names, notes)


def _named(
    names: Sequence[str], columns: Sequence[Numbers | Texts], notes: list[str]
) -> tuple[dict[str, Numbers | Texts], str | None]:
    """Take the columns that have a name, and that of row names."""
    row_names = None
    if not names[0] and not columns[0].is_blank:
        row_names = unique([*names, ROW_NAMES])[-1]
        notes.append(f"the first column has no name; it is taken for row names, and called {row_names}")
    named = {}
    for i, name in enumerate(unique([row_names or names[0], *names[1:]])):
        if names[i] or (i == 0 and row_names):
            named[name] = columns[i]
        elif not columns[i].is_blank:
            notes.append(f"column {i + 1} has no name; it is left out")
    return named, row_names


def _doubtful(made: Mapping[str, Column], named: Mapping[str, Numbers | Texts]) -> dict[str, Column]:
    """Find columns whose 1,500 may be 1500 or 1.5, where other columns have decimal points."""
    doubles = {name: column for name, column in named.items() if made[name].type == "double"}
    if all(column.mark != "." for column in doubles.values()):
        return {}
    return {
        name: replace(made[name], problem="it may have thousands separators or decimal commas; say --dec , or --dec .")
        for name, column in doubles.items()
        if column.mark == "," and column.may_be_thousands
    }


def _missing(columns: Mapping[str, Texts]) -> list[str]:
    notes = []
    empty = [f"{name} ({column.empty})" for name, column in columns.items() if column.empty]
    if empty:
        shown = ", ".join([*empty[:SHOWN_COLUMNS], *(["..."] if len(empty) > SHOWN_COLUMNS else [])])
        notes.append(f"empty texts are missing values: {shown}")
    for name, column in columns.items():
        if column.has_missing("NA") and {len(text.strip()) for text in column.texts} == {2}:
            notes.append(f"NA of column {name} is a missing value; where it is a code like the others, say --na ''")
    return notes
