"""docs/formulas.md is what the reader of formulas does.

To write its tables anew: python -m tests.docs.test_formulas_doc
"""

import re
from collections.abc import Iterator

import pytest

from lm_app.engine import runtime
from lm_app.engine.convert import strings
from lm_app.errors import RError
from tests.conftest import ROOT

DOCUMENT = ROOT / "docs" / "formulas.md"
COLUMNS = ["y", "x", "z", "g", "h", "day", "top speed"]

REFUSED = [
    "y ~ topspeed + age",
    "y ~ g %in% c('a', 'b')",
    "y ~ x / 2",
    "y ~ (1 | g)",
    "y ~ cut(x, 4)",
    "y ~ relevel(factor(g), ref = 'b')",
    "y ~ I(x - mean(x))",
    "y ~ I(scale(x) + 1)",
    "y ~ lag(x)",
    "y ~ ave(x, g)",
    "y ~ x + rnorm(50)",
    "y ~ fitted(m)",
    "y ~ x[1]",
    "y ~ s(x)",
    "y ~ is.na(x)",
    "y ~ paste(g, h)",
    "y ~ I(x > 3 && z > 1)",
    "y ~ if (x > 3) x",
    "y ~ x %>% log()",
    "y ~ year(day)",
    "y ~ ln(x)",
    "y ~ poly(x, z, degree = 2, raw = TRUE)",
    "y ~ C(g, 'file.remove')",
    "cbind(y, z) ~ x",
    "y ~ system('ls')",
]

# What a message of the reader says, for each reason: the first that fits counts.
REASONS = {
    "a local object, no column": "the data have no column",
    "the order of the rows": "depends on the order of the rows",
    "groups of rows": "depends on groups of rows",
    "a part of an object": "takes a part of an object",
    "random": "is random",
    "another model": "is of another model",
    "a package's function": "is a package's function",
    "a function of one's own": "is not one of the functions",
    "no constant": "must be a whole number|must be numbers, such",
    "breaks of the data": "must be numbers, as the data's own breaks",
    "no column as response": "the response, left of",
}


def refusal_of(formula: str, columns: list[str]) -> str:
    """What the reader says of a formula; nothing where it takes it."""

    def job() -> str:
        try:
            runtime.call("read_formula", formula, strings(columns))
        except RError as error:
            return str(error)
        return ""

    return runtime.in_r(job)


def real_calls() -> list[tuple[str, list[str], str]]:
    """The formulas of 792 calls of lm() in help pages, books and vignettes, with their columns and what is expected."""
    lines = (ROOT / "tests" / "training" / "formulas.tsv").read_text().splitlines()
    return [(formula, columns.split(" "), kind) for formula, columns, kind in (line.split("\t") for line in lines)]


def kind_of(formula: str, columns: list[str]) -> str:
    """Taken, or the reason why not."""
    message = refusal_of(formula, columns)
    fitting = [kind for kind, said in REASONS.items() if re.search(said, message)]
    return fitting[0] if message else "taken"


def code(text: str) -> str:
    """Code in a cell of a table."""
    return "`" + text.replace("|", "\\|") + "`"


def tables() -> dict[str, list[str]]:
    """The rows of each table that is made, by its heading."""
    refused = []
    for formula in REFUSED:
        told = refusal_of(formula, COLUMNS).partition("': ")[2]
        told = re.sub("; a formula may use c, seq, .*", "", told)
        refused.append(f"| {code(formula)} | {told.replace('|', chr(92) + '|')} |")
    limits = re.findall(r"^  (\w+) = (\d+)L,? # (.*)$", (ROOT / "lm_app" / "R" / "formula.R").read_text(), re.MULTILINE)
    calls = real_calls()
    counted = []
    for kind in ["taken", *REASONS]:
        formulas = [formula for formula, _, expected in calls if expected == kind]
        counted.append(f"| {kind} | {len(formulas)} | {code(min(formulas, key=len))} |")
    return {
        "Refused": ["| formula | what is said |", "|---|---|", *refused],
        "Limits": ["| what | at most | |", "|---|---|---|", *(f"| {a} | {int(b):,} | {c} |" for a, b, c in limits)],
        "792 real calls": ["| kind | calls | such as |", "|---|---|---|", *counted],
    }


def in_document() -> Iterator[tuple[str, list[str]]]:
    """The tables as they stand in the document, by their headings."""
    for section in DOCUMENT.read_text().split("\n## ")[1:]:
        yield section.partition("\n")[0], [line for line in section.splitlines() if line.startswith("|")]


def test_tables_are_what_the_reader_does() -> None:
    found = dict(in_document())
    for heading, rows in tables().items():
        assert found[heading] == rows


def test_each_of_the_real_calls_is_taken_or_refused_as_expected() -> None:
    calls = real_calls()
    assert len(calls) == 792
    wrong = [
        (formula, kind, expected)
        for formula, columns, expected in calls
        if (kind := kind_of(formula, columns)) != expected
    ]
    assert wrong == []


def examples() -> list[str]:
    """The formulas in the second column of the table of what is taken."""
    rows = dict(in_document())["What it may use"][2:]
    cells = [re.split(r"(?<!\\)\|", row)[2] for row in rows]
    return [text.replace("\\|", "|") for cell in cells for text in re.findall("`([^`]+)`", cell)]


def test_the_examples_are_taken() -> None:
    assert len(examples()) > 20
    for example in examples():
        assert refusal_of(example, COLUMNS) == "", example


def test_every_function_has_an_example() -> None:
    listed = runtime.in_r(lambda: str(runtime.call("listed_functions")[0][0])).split(", ")
    text = " ".join(examples())
    assert len(listed) > 40
    assert [name for name in listed if not re.search(rf"(?<![\w.]){re.escape(name)}\(", text)] == []


@pytest.mark.parametrize(
    "operator", ["+", "-", "*", "/", "^", ":", "%in%", "%%", "%/%", "<", ">=", "==", "!=", "&", "|", "!"]
)
def test_every_operator_has_an_example(operator: str) -> None:
    assert operator in " ".join(examples())


if __name__ == "__main__":
    text = DOCUMENT.read_text()
    for heading, rows in tables().items():
        before, found, after = text.partition(f"\n## {heading}\n")
        table = re.search(r"(?:^\|.*\n)+", after, re.MULTILINE)
        assert table, heading
        text = before + found + after[: table.start()] + "\n".join(rows) + "\n" + after[table.end() :]
    DOCUMENT.write_text(text)
