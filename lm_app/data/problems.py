"""Tell why a column that was meant to hold numbers or dates does not, and what to do."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from lm_app.data.dates import ISO_DATE, is_date
from lm_app.data.table import NA_INTEGER

MOSTLY = 0.8
"""A column of which this share are numbers (or dates) was meant to hold nothing else."""
EXAMPLES = 3
LONGEST = 40

EXPONENT = r"([eE][+-]?\d+)?"
AMOUNT = r"[\d.,' \xa0\u202f]*\d[\d.,]*"
CURRENCIES = "[$€£¥]"
KINDS = {
    "whole": re.compile(rf"[+-]?\d+{EXPONENT}", re.ASCII),
    "point": re.compile(rf"[+-]?(\d+\.\d*|\.\d+){EXPONENT}", re.ASCII),
    "comma": re.compile(rf"[+-]?(\d+,\d*|,\d+){EXPONENT}", re.ASCII),
    "thousands": re.compile(
        r"[+-]?\d{1,3}((,\d{3})+(\.\d*)?|(\.\d{3})+(,\d*)?|([' \xa0\u202f]\d{3})+([.,]\d*)?)", re.ASCII
    ),
    "currency": re.compile(rf"[+-]?{CURRENCIES} ?[+-]?{AMOUNT}|[+-]?{AMOUNT} ?{CURRENCIES}", re.ASCII),
    "percent": re.compile(rf"[+-]?{AMOUNT} ?%", re.ASCII),
}
MARKS = {"point": ".", "comma": ","}
SAID = {
    "point": ("has a decimal point", "have decimal points", "use one decimal mark"),
    "comma": (
        "has a decimal comma",
        "have decimal commas",
        "use one decimal mark; --dec , names a comma",
    ),
    "thousands": ("has a thousands separator", "have thousands separators", "write 1500 for 1,500"),
    "currency": ("has a currency sign", "have currency signs", "write the number alone"),
    "percent": ("has a percent sign", "have percent signs", "write the number alone"),
}


def kind_of(text: str, marks: str) -> str:
    """Tell how a text without blanks around it resembles a number; "text" where it does not."""
    ours = [kind for kind, mark in MARKS.items() if mark in marks]
    for kind in ("whole", *ours, "thousands", "point", "comma", "currency", "percent"):
        if KINDS[kind].fullmatch(text):
            return kind
    return "text"


def describe(name: str, values: Sequence[int], texts: Sequence[str], marks: str) -> str | None:
    """Describe what is wrong with a column of texts; None where it is a column of texts.

    `values` are positions of texts, from 1; `marks` the decimal marks that are allowed.
    """
    times = Counter(values)
    total = len(values) - times[NA_INTEGER]

    def count(positions: Iterable[int]) -> int:
        return sum(times[position] for position in positions)

    def examples(positions: Sequence[int]) -> str:
        shown = [
            f"{_short(texts[position - 1])} (row {values.index(position) + 1})" for position in positions[:EXAMPLES]
        ]
        return ", ".join([*shown, *(["..."] if len(positions) > EXAMPLES else [])])

    def said(positions: Sequence[int], one: str, many: str, remedy: str) -> str:
        wrong = count(positions)
        return f"{wrong} of {total} values {one if wrong == 1 else many}: {examples(positions)}; {remedy}"

    kinds: dict[str, list[int]] = {}
    for position, text in enumerate(texts, start=1):
        kinds.setdefault(kind_of(text, marks), []).append(position)
    others = kinds.pop("text", [])
    factor = f"the column as a factor (--factors {name})"
    dates = [position for position in others if ISO_DATE.fullmatch(texts[position - 1])]
    if count(dates) >= MOSTLY * total:
        wrong = [position for position, text in enumerate(texts, start=1) if not is_date(text)]
        return said(wrong, "is no date", "are no dates", f"write YYYY-MM-DD, or take {factor}")
    if total - count(others) < MOSTLY * total:
        return None
    faults = []
    if others:
        missing = f"name them as missing (--na {_short(texts[others[0] - 1])})"
        remedy = f"correct them, {missing}, or take {factor}"
        faults = [said(others, "is not a number", "are not numbers", remedy)]
    used = [kind for kind in MARKS if kind in kinds and MARKS[kind] in marks]
    fewest = min(used, key=lambda kind: count(kinds[kind])) if len(used) > 1 else None
    for kind in SAID:
        if kind in kinds and (kind not in used or kind == fewest):
            faults.append(said(kinds[kind], *SAID[kind]))
    return "; ".join(faults) or None


def _short(text: str) -> str:
    return repr(text if len(text) <= LONGEST else f"{text[:LONGEST]}...")
