"""Turn the texts of a column into a typed column, as R's type.convert() does, but with numbers correctly rounded."""

import re
from array import array
from collections.abc import Collection, Sequence
from contextlib import suppress

from lm_app.data.dates import read_dates
from lm_app.data.problems import describe
from lm_app.data.table import NA_INTEGER, NA_REAL, Column

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
SPECIAL = re.compile(r"NaN|[+-]?(Inf|[iI][nN][fF][iI][nN][iI][tT][yY])")  # as R spells them
MAY_BE_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3},[0-9]{3}")
LOGICALS = {"T": 1, "TRUE": 1, "F": 0, "FALSE": 0}


def with_points(texts: Sequence[str], mark: str) -> Sequence[str]:
    """Write points for the decimal mark. Raises ValueError where a text has a point already."""
    if mark != "." and any("." in text for text in texts):
        raise ValueError("a decimal point")
    return texts if mark == "." else [text.replace(mark, ".") for text in texts]


def may_be_thousands(texts: Sequence[str]) -> bool:
    """Have all numbers with a comma three digits after it?"""
    return all(MAY_BE_THOUSANDS.fullmatch(text.strip()) for text in texts if "," in text)


class Numbers:
    """A column of which all texts so far are numbers with one decimal mark, or missing."""

    def __init__(self, na: Collection[str], mark: str = ".") -> None:
        self.values = array("d")
        self.mark = mark
        self.is_blank = True
        self.may_be_thousands = True
        self._na = {text.replace(mark, ".") for text in na}
        self._has_missing = False
        self._is_whole = True
        self._is_slow = any(map(NUMBER.fullmatch, self._na))  # such as -9: then each text has to be looked at

    def extend(self, texts: Sequence[str]) -> None:
        """Add texts; raises ValueError where one is no number, and then adds none."""
        if self.mark != ".":
            self.may_be_thousands = self.may_be_thousands and may_be_thousands(texts)
            texts = with_points(texts, self.mark)
        joined = " ".join(texts)
        size = len(self.values)
        # float() takes 1_000, nan and all the world's digits, too
        if not (self._is_slow or "_" in joined or "n" in joined or "N" in joined or not joined.isascii()):
            try:
                self.values.extend(map(float, texts))
            except ValueError:
                del self.values[size:]
            else:
                self._has_seen(joined)
                return
        stripped = [text.strip() for text in texts]
        present = [text for text in stripped if text and text not in self._na]
        for text in present:
            if not NUMBER.fullmatch(text) and not SPECIAL.fullmatch(text):
                raise ValueError(text)
        self.values.extend(float(text) if text and text not in self._na else NA_REAL for text in stripped)
        self._has_missing |= len(present) < len(texts) or "NaN" in present
        if present:
            self._has_seen(" ".join(present))
        else:
            self.is_blank = self.is_blank and not any(stripped)

    def _has_seen(self, joined: str) -> None:
        self.is_blank = False
        self._is_whole = self._is_whole and not ("." in joined or "e" in joined or "E" in joined or "n" in joined)

    def column(self, name: str, marks: str = ".", *, convert: bool = True) -> Column:
        """Make integers where all are whole and R can hold them, else doubles; logicals where all are missing."""
        present = [value for value in self.values if value == value] if self._has_missing else self.values
        if not present:
            return Column(name, "logical", array("i", [NA_INTEGER]) * len(self.values))
        if not self._is_whole or min(present) <= NA_INTEGER or max(present) >= -NA_INTEGER:
            return Column(name, "double", self.values)
        if not self._has_missing:
            return Column(name, "integer", array("i", map(int, self.values)))
        return Column(
            name, "integer", array("i", [int(value) if value == value else NA_INTEGER for value in self.values])
        )


class _Positions(dict[str, int]):
    """Positions of texts, from 1, or NA; to look up a new text adds it, so that one map() reads a whole chunk."""

    def __init__(self, na: Collection[str]) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._na = na

    def __missing__(self, text: str) -> int:
        stripped = text.strip()
        if stripped and stripped not in self._na:
            self.texts.append(text)
            self[text] = len(self.texts)
        else:
            self[text] = NA_INTEGER
        return self[text]


class Texts:
    """A column of texts: each is kept once, and the values are their positions."""

    def __init__(self, na: Collection[str]) -> None:
        self.values = array("i")
        self.empty = 0
        self.mark = ""  # the decimal mark, where they are found to be numbers
        self.may_be_thousands = False
        self._positions = _Positions(na)

    @property
    def texts(self) -> list[str]:
        """The different texts, in the order of their appearance."""
        return self._positions.texts

    @property
    def is_blank(self) -> bool:
        """Are all texts empty?"""
        return not any(map(str.strip, self._positions))

    def has_missing(self, text: str) -> bool:
        """Does this text stand for missing values here?"""
        return self._positions.get(text) == NA_INTEGER

    def extend(self, texts: Sequence[str]) -> None:
        """Add texts."""
        self.empty += texts.count("")
        self.values.extend(map(self._positions.__getitem__, texts))

    def column(self, name: str, marks: str = ".", *, convert: bool = True) -> Column:
        """Make logicals, numbers, dates or text of it.

        `marks` are the decimal marks that the column may have, one of them in all its numbers.
        """
        if not convert:
            return Column(name, "text", self.values, self.texts)
        stripped = [text.strip() for text in self.texts]
        if set(stripped) <= LOGICALS.keys():
            return Column(name, "logical", self._replaced("i", [LOGICALS[text] for text in stripped], NA_INTEGER))
        for mark in marks:
            with suppress(ValueError):
                converted = self._numbers(name, with_points(stripped, mark))
                self.mark, self.may_be_thousands = mark, may_be_thousands(stripped)
                return converted
        with suppress(ValueError):
            kind, times = read_dates(stripped)
            return Column(name, kind, self._replaced("d", times, NA_REAL))
        return Column(name, "text", self.values, self.texts, describe(name, self.values, stripped, marks))

    def _numbers(self, name: str, texts: Sequence[str]) -> Column:
        if not all(map(NUMBER.fullmatch, texts)):
            raise ValueError("no number")
        return Column(name, "double", self._replaced("d", [float(text) for text in texts], NA_REAL))

    def _replaced(self, typecode: str, values: Sequence[float], missing: float) -> "array[float]":
        by_position = dict(enumerate(values, start=1))
        by_position[NA_INTEGER] = missing
        return array(typecode, map(by_position.__getitem__, self.values))


def read_column(texts: Sequence[str], na: Collection[str], marks: str) -> Numbers | Texts:
    """Begin a column: numbers with one of these decimal marks, or texts."""
    for mark in marks:
        numbers = Numbers(na, mark)
        with suppress(ValueError):
            numbers.extend(texts)
            return numbers
    column = Texts(na)
    column.extend(texts)
    return column
