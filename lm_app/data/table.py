"""A table: typed columns as R takes them."""

import struct
from array import array
from dataclasses import dataclass, field
from typing import Any, Literal

Type = Literal["double", "integer", "logical", "text", "date", "datetime"]

(NA_REAL,) = struct.unpack("<d", struct.pack("<Q", 0x7FF00000000007A2))
"""R's NA_real_: a NaN that ends in 1954."""
NA_INTEGER = -(2**31)
"""R's NA_integer_, and its NA for a logical."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: doubles, or integers of 32 bits.

    A text's values are the positions of its texts, from 1; a logical's are 0 and 1; a date's are days, and a
    datetime's seconds, since 1970 (UTC). A missing value is R's NA. `problem` tells why nobody may use the column.
    """

    name: str
    type: Type
    values: "array[Any]"
    texts: list[str] = field(default_factory=list)
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of one length, in the file's order.

    `row_names` is the column that holds the names of the rows, and is no part of a formula's dot. `notes` tell a
    person what was detected or skipped.
    """

    columns: dict[str, Column]
    rows: int
    row_names: str | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def problems(self) -> dict[str, str]:
        """Why columns can't be used, by their names."""
        return {name: column.problem for name, column in self.columns.items() if column.problem}
