"""Formulas of every kind through update_lm, and formulas made at random through the reader."""

import re
from pathlib import Path

import pytest
from django.test import Client
from hypothesis import event, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from rpy2 import rinterface

from lm_app.engine import runtime
from lm_app.engine.convert import strings
from lm_app.errors import RError
from tests.conftest import refusal, runscript, write_model

TAKEN = {
    "time ~ sin(2 * pi * distance / 12)": "time ~ sin(2 * pi * distance/12)",
    "time ~ poly(distance, 2, raw = T)": "time ~ poly(distance, 2, raw = TRUE)",
    "time ~ polym(distance, degree = 2)": "time ~ poly(distance, degree = 2)",
    "time ~ cut(distance, c(0, 10, 20, 50))": "time ~ cut(distance, c(0, 10, 20, 50))",
    "time ~ cbind(distance, distance^2)": "time ~ cbind(distance, distance^2)",
    "time ~ round(distance) + trunc(distance / 2)": "time ~ round(distance) + trunc(distance/2)",
    "time ~ as.numeric(distance > 20)": "time ~ as.numeric(distance > 20)",
    "time ~ splines::ns(distance, df = 2)": "time ~ splines::ns(distance, df = 2)",
    "time ~ scale(distance, 20, 10)": "time ~ scale(distance, center = 20, scale = 10)",
}


@pytest.mark.parametrize("formula", TAKEN)
def test_a_formula_is_fitted_and_served(models: Path, client: Client, formula: str) -> None:
    write_model(models, formula=formula)
    runscript("update_lm", "timedistance", "--force", "--quiet")
    assert client.get("/lm/api/key/formula").json() == TAKEN[formula]
    fitted = client.get("/lm/api/key/fitted_values").json()
    distances = client.get("/lm/api/key/distance_values").json()
    assert client.get(f"/lm/api/predict/{distances[3]}").json() == pytest.approx(fitted[3], abs=1e-6)


@pytest.mark.parametrize(
    "function", ["file.remove", "file.create", "unlink", "message", "source", "quit", "contr.sum2"]
)
@pytest.mark.parametrize(
    "template", ["C(g, '{}')", "C(g, {})", "C(contr = '{}', g)", "C(g, '{}', 1)", "stats::C(g, '{}')"]
)
def test_contrasts_call_no_function_by_its_name(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], function: str, template: str
) -> None:
    levels = [tmp_path / "one", tmp_path / "two"]
    for level in levels:
        level.write_text("precious")
    rows = "".join(f"{i + i % 3},{levels[i % 2]}\n" for i in range(20))
    (models / "timedistance" / "timedistance.csv").write_text(f"time,g\n{rows}")
    write_model(models, formula=f"time ~ {template.format(function)}", factors={"g": []})
    assert "'contr' must be one of contr.treatment" in refusal(capsys, "update_lm", "timedistance", "--force")
    assert [level.read_text() for level in levels] == ["precious", "precious"]


def test_known_contrasts_are_fitted(models: Path, client: Client) -> None:
    rows = "".join(f"{i + i % 3},{'ab'[i % 2]}\n" for i in range(20))
    (models / "timedistance" / "timedistance.csv").write_text(f"time,g\n{rows}")
    write_model(models, formula="time ~ C(g, contr.sum)", factors={"g": []})
    runscript("update_lm", "timedistance", "--force", "--quiet")
    fits = [client.get(f"/lm/api/predict?g={level}").json()["fit"] for level in "ab"]
    assert fits[0] != fits[1]


# Formulas made at random. The reader's answer is judged by a reader of another kind, written here: it knows nothing of
# the reader's tables but the names that docs/formulas.md tells.

COLUMNS = ["y", "x", "z", "g", "log", "contr.sum", "top speed"]
NUMBERS = st.sampled_from(["0", "1", "2", "3.5", "1e3", "1e9", "1e999", "0x10", "-2", "2L", "pi", "NA", "Inf", "1i"])
TEXTS = st.sampled_from(["'a'", '"contr.sum"', "'file.remove'", "'%Y'", 'r"(q)"', "'\\n'", "'`system`(1)'"])
NAMES = st.sampled_from(["x", "z", "g", "log", "contr.sum", "`top speed`", "top.speed", "T", "F", ".", "nope", "..1"])


def one_of_words(words: str) -> st.SearchStrategy[str]:
    return st.sampled_from(words.split())


FUNCTIONS = one_of_words(
    "I log exp sqrt poly ns bs scale factor ordered C cut interaction ifelse pmin cbind offset relevel as.Date format "
    "months round as.numeric c seq matrix base::log stats::poly splines::ns"
)
EVIL = one_of_words(
    "system file.remove get eval do.call match.fun quote parse source Sys.getenv q base::system stats:::poly `system` "
    "function environment attr sapply Reduce vapply assign '[' `[[` `$` `<-` rnorm mean x (x) I(x)"
)
ARGUMENTS = one_of_words(
    "contr base how.many degree df knots breaks labels levels raw coefs center format sep exclude con l x data"
)
OPERATORS = one_of_words("+ - * / ^ : %in% == != < > & | %% %/%")
EVIL_OPERATORS = st.sampled_from(["$", "@", "<-", "->", "<<-", "=", ":=", "~", "|>", "%>%", "::", "&&", "?", ";", "\n"])


def parts(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """What is made of parts, now and then of what is not allowed."""
    argument = st.one_of(inner, st.builds("{} = {}".format, ARGUMENTS, inner))
    arguments = st.lists(argument, max_size=4).map(", ".join)
    return st.one_of(
        st.builds("{} {} {}".format, inner, OPERATORS, inner),
        st.builds("{}({})".format, FUNCTIONS, arguments),
        st.builds("{}({})".format, FUNCTIONS, inner),
        st.builds("{}({})".format, st.one_of(FUNCTIONS, FUNCTIONS, EVIL), arguments),
        st.builds("{} {} {}".format, inner, st.one_of(OPERATORS, OPERATORS, EVIL_OPERATORS), inner),
        st.builds("({})".format, inner),
        st.builds("{}{}".format, st.sampled_from(["-", "!", "+", "~", "\\(x) ", "function(x) ", "{"]), inner),
        st.builds("{}[{}]".format, inner, inner),
    )


EXPRESSIONS = st.recursive(st.one_of(NAMES, NAMES, NAMES, NUMBERS, TEXTS), parts, max_leaves=8)
LIKELY = st.lists(
    st.one_of(
        NAMES,
        st.builds("log({})".format, NAMES),
        st.builds("poly({}, {})".format, NAMES, NUMBERS),
        st.builds("C({}, {})".format, NAMES, st.one_of(TEXTS, NAMES, st.sampled_from(["contr.helmert", "sum"]))),
        st.builds("I({} {} {})".format, NAMES, OPERATORS, st.one_of(NUMBERS, NAMES)),
        EXPRESSIONS,
    ),
    min_size=1,
    max_size=4,
).map(" + ".join)

TOKEN = re.compile(
    r"""\s+|(?P<number>(?:0x[\da-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)[Li]?)"""
    r"""|(?P<text>"(?:[^"\\]|\\.)*")|(?P<name>`(?:[^`\\]|\\.)*`|[A-Za-z.][\w.]*)"""
    r"""|(?P<operator>%%|%/%|%in%|::|<=|>=|==|!=|[-+*/^:<>!&|~(),=])"""
)
CONTRASTS = {"contr.treatment", "contr.sum", "contr.helmert", "contr.poly", "contr.SAS"}
CONSTANTS = {"TRUE", "FALSE", "NULL", "NA", "Inf", "pi"}
PACKAGES = {"base", "stats", "splines"}
SHORT_CONTRASTS = {"sum", "helmert", "poly", "treatment", "SAS"}


def functions_of_the_documentation() -> set[str]:
    """The names that stand before a parenthesis in the table of what a formula may use."""
    text = (Path(__file__).parents[2] / "docs" / "formulas.md").read_text()
    table = text.partition("## What it may use")[2].partition("## Refused")[0]
    return set(re.findall(r"([A-Za-z][\w.]*)\(", table)) | {""}


KNOWN = functions_of_the_documentation()


def judge(code: str) -> None:
    """Take R's code apart: every name must be a column, a constant, a contrast, an argument or a known function."""
    tokens: list[tuple[str, str]] = []
    position = 0
    while position < len(code):
        match = TOKEN.match(code, position)
        assert match, f"{code[position:]!r} of {code!r}"
        position = match.end()
        if match.lastgroup:
            tokens.append((match.lastgroup, match[0].strip("`") if match.lastgroup == "name" else match[0]))
    following = [*tokens[1:], ("end", "")]
    for i, ((kind, text), (_, after)) in enumerate(zip(tokens, following, strict=True)):
        before = tokens[i - 1][1] if i else ""
        if kind == "text" and re.match(r"C\(", "".join(t for _, t in tokens[max(0, i - 4) : i])):
            assert text.strip('"') in CONTRASTS, code
        if kind != "name":
            assert not (text == "(" and before == ")"), f"what is called has no name: {code}"
            continue
        if after == "(":
            assert text in KNOWN, f"{text} in {code}"
        elif after == "::":
            assert text in PACKAGES, code
        elif after != "=":
            assert text in {*COLUMNS, *CONSTANTS, *CONTRASTS, *SHORT_CONTRASTS, "."}, f"{text} in {code}"
    assert code.count("~") == 1


def read(formula: str) -> str | None:
    """What the reader returns, as R writes it; None where it refuses, in one line."""

    def job() -> str | None:
        try:
            value, _ = runtime.call("read_formula", formula, strings(COLUMNS))
        except RError as error:
            assert "\n" not in str(error)
            assert str(error).startswith("formula '"), f"{formula!r}: {error}"
            return None
        return "".join(rinterface.baseenv["deparse1"](value))

    return runtime.in_r(job)


@hypothesis_settings(deadline=None, max_examples=400)
@given(st.builds("{} ~ {}".format, st.sampled_from(["y", "log(y)", "y + 1", "I(y)"]), st.one_of(LIKELY, EXPRESSIONS)))
@example("y ~ C(g, 'file.remove')")
@example("y ~ C(g, contr.sum)")
@example("y ~ stats::C(g, contr = contr.helmert) + log(log)")
def test_what_the_reader_takes_calls_known_functions_only(formula: str) -> None:
    code = read(formula)
    event("refused" if code is None else "taken")
    if code is not None:
        judge(code)


@hypothesis_settings(deadline=None, max_examples=200)
@given(st.text(alphabet="y~x+-*/^:()[]{}'\"`\\,.=<>|&!%$@#;\n 019eLif", max_size=40))
def test_the_reader_survives_any_text(formula: str) -> None:
    code = read(formula)
    if code is not None:
        judge(code)


@pytest.mark.parametrize(
    "code", ["y ~ system(x)", "y ~ x(g)(z)", 'y ~ C(g, "file.remove")', "y ~ nope", "y ~ foo::log(x)"]
)
def test_the_judge_is_strict(code: str) -> None:
    with pytest.raises(AssertionError):
        judge(code)
