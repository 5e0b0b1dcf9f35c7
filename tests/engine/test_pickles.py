"""Pickles from somebody else: nothing of them runs, and what is no lm of ours is refused in one line."""

import pickle
import random
import struct
import subprocess
import sys
from array import array
from collections.abc import Callable
from pathlib import Path

import pytest
from rpy2 import rinterface

from lm_app.engine import lm, runtime, serialized
from lm_app.engine.lm import Model
from lm_app.engine.pickles import serialized_lm
from lm_app.errors import RError
from tests.conftest import ROOT, live_file

REFUSED = "not a pickled lm that update_lm made: "
HEAD = b"X\n" + struct.pack(">iii", 2, 0x040202, 0x020300)
NULL, GLOBAL, PROMISE = struct.pack(">i", 254), struct.pack(">i", 253), 5


def pickled(content: bytes) -> bytes:
    """A pickle of rpy2's class, of these bytes of R's serialize()."""
    return (
        b"\x80\x04\x8c\x0frpy2.rinterface\x8c\x0eListSexpVector\x93)\x81B" + struct.pack("<I", len(content)) + content
    ) + b"b."


def of_r(expression: str, file: Path) -> bytes:
    """R's serialize() of what an R expression makes of `model`, a pickled lm."""

    def job() -> bytes:
        model = pickle.loads(file.read_bytes())
        value = rinterface.evalr(f"function(model) serialize({{ {expression} }}, NULL)")(model)
        return bytes(value)

    return runtime.in_r(job)


def integers(*values: int) -> bytes:
    return struct.pack(f">{len(values)}i", *values)


def text(value: str) -> bytes:
    return integers(64 << 12 | 9, len(value)) + value.encode()


def symbol(name: str) -> bytes:
    return integers(1) + text(name)


def altrep(name: str, state: bytes, package: str = "base") -> bytes:
    info = integers(2) + symbol(name) + integers(2) + symbol(package) + integers(2, 13, 1, 13) + NULL
    return HEAD + integers(238) + info + state + NULL


def numbers(*values: float) -> bytes:
    return integers(14, len(values)) + struct.pack(f">{len(values)}d", *values)


@pytest.fixture
def honest(shipped_models: Path) -> Path:
    return live_file(shipped_models, "modelr.pickle")


RUNS = "system('touch {marker}')"
HOSTILE = {
    "a call": ("quote({run})", "its parts are not those of one"),
    "a name": ("quote(letters)", "it holds what no lm has"),
    "a function": ("function(...) {run}", "a function"),
    "a builtin": ("sum", "a function"),
    "a pointer": ("model$rank <- get('C_modelmatrix', asNamespace('stats'))$address; model", "an external pointer"),
    "bytecode": ("model$rank <- compiler::compile(quote({run})); model", "bytecode"),
    "an environment": (
        "e <- new.env(); makeActiveBinding('distance', function() {run}, e);"
        "attr(model$terms, '.Environment') <- e; model",
        "an environment",
    ),
    "a namespace": ("attr(model$terms, '.Environment') <- asNamespace('stats'); model", "an environment"),
    "the base environment": ("attr(model$terms, '.Environment') <- baseenv(); model", "an environment"),
    "an environment in a call": ("model$call$data <- globalenv(); model", "its parts"),
    "a class with methods": ("class(model$coefficients) <- 'Date'; model", "its attributes"),
    "another class": ("class(model) <- c('mlm', 'lm'); model", "its attributes"),
    "no class": ("unclass(model)", "its parts"),
    "no terms": ("model$terms <- NULL; model", "its parts"),
    "terms without a class": ("attr(model$terms, 'class') <- 'x'; model", "its parts"),
    "another element": ("model$na.action <- quote({run}); model", "its parts"),
    "a call for numbers": ("model$coefficients <- quote({run}); model", "its parts"),
    "a call with a class": (
        "model$call$weights <- structure(quote(f(x)), class = 'formula'); model",
        "its parts",
    ),
    "a call of lm with a class": ("class(model$call) <- 'formula'; model", "its parts"),
    "a call in a list in a call": ("model$call$weights <- as.call(list(quote(f), list(globalenv()))); model", "no lm"),
    "predvars": (
        "attr(model$terms, 'predvars') <- quote(list(time, {{{run}; distance}})); model",
        "stored model: ",
    ),
    "variables": ("attr(model$terms, 'variables') <- quote(list(time, {{{run}; distance}})); model", "stored model: "),
    "offset": ("attr(model$terms, 'offset') <- 99L; model", "its parts"),
    "the call's offset": ("model$call$offset <- quote({run}); model", "stored model: "),
    "the call's data": ("model$call$data <- quote({run}); model", "stored model: "),
    "the call's formula": ("model$call$formula[[3]] <- quote({run}); model", "stored model: "),
    "contrasts": ("model$contrasts <- list(distance = 'file.remove'); model", "stored model: "),
    "a response elsewhere": ("attr(model$terms, 'response') <- 1000000L; model", "its parts"),
    "a matrix of other terms": ("attr(model$terms, 'factors') <- matrix(1L, 9, 9); model", "its parts"),
    "levels that are calls": ("model$xlevels <- list(a = quote({run})); model", "its parts"),
    "two of a name": ("names(model)[2] <- 'coefficients'; model", "its parts"),
    "no coefficients of ours": ("model$predictors <- NULL; model", "made"),
    "complex numbers": ("model$rank <- 1i; model", "no lm"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_would_run_code_is_refused(honest: Path, tmp_path: Path, case: str) -> None:
    expression, message = HOSTILE[case]
    marker = tmp_path / "ran"
    content = of_r(expression.format(run=RUNS.format(marker=marker)), honest)
    with pytest.raises(RError) as refused:
        Model(pickled(content))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not marker.exists()


def promise(call: bytes) -> bytes:
    """A promise of the call, in the global environment and without a value (CVE-2024-27322)."""
    return integers(PROMISE | 1 << 10) + GLOBAL + integers(252) + call


@pytest.mark.parametrize("place", ["root", "list", "coefficients", "attribute"])
def test_promises_are_refused(honest: Path, tmp_path: Path, place: str) -> None:
    marker = tmp_path / "ran"
    call = of_r(f"quote({RUNS.format(marker=marker)})", honest)
    call = call[len(HEAD) + 4 + len("UTF-8") :]
    trained = of_r("model$coefficients <- 1234.5; model", honest)
    value = numbers(1234.5)
    assert trained.count(value) == 1
    content = {
        "root": HEAD + promise(call),
        "list": HEAD + integers(19, 1) + promise(call),
        "coefficients": trained.replace(value, promise(call)),
        "attribute": HEAD + integers(19 | 1 << 9, 0, 2 | 1 << 10) + symbol("names") + promise(call) + NULL,
    }[place]
    with pytest.raises(RError, match=f"{REFUSED}it holds a promise"):
        Model(pickled(content))
    assert not marker.exists()


CELL = 2 | 1 << 10
BROKEN: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "it is not in R's binary format"),
    "text": (b"A\n2\n", "it is not in R's binary format"),
    "end": (b"X\n", "it is broken"),
    "version": (b"X\n" + integers(4, 0, 0), "it is in version 4"),
    "encoding": (b"X\n" + integers(3, 0, 0, 2) + b"\0\0" + NULL, "its texts are not in UTF-8"),
    "more": (HEAD + NULL + NULL, "it is broken"),
    "a long vector": (HEAD + integers(14, -1, 1, 1), "it is broken"),
    "longer than the file": (HEAD + integers(14, 1 << 20), "it is broken"),
    "numbers cut off": (HEAD + integers(14, 8), "it is broken"),
    "a list cut off": (HEAD + integers(19, 8), "it is broken"),
    "a reference to nothing": (HEAD + integers(6, 1 << 8 | 255), "it is broken"),
    "a reference by a number": (HEAD + integers(6, 255, 7), "it is broken"),
    "a symbol as an element": (HEAD + symbol("x"), "it holds what no lm has"),
    "a symbol without name": (HEAD + integers(6) + symbol(""), "it is broken"),
    "a text of no kind": (HEAD + integers(16, 1, 14, 0), "it is broken"),
    "a text in bytes": (HEAD + integers(16, 1, 2 << 12 | 9, 0), "it is broken"),
    "a text that ends": (HEAD + integers(16, 1, 8 << 12 | 9, 1) + b"\0", "it is broken"),
    "a text that is none": (HEAD + integers(16, 1, 8 << 12 | 9, 1) + b"\xff", "it is broken"),
    "an S4 object": (HEAD + integers(19 | 0x10 << 12, 0), "it holds what no lm has"),
    "a pairlist with attributes": (HEAD + integers(6) + symbol("f") + integers(2 | 1 << 9), "it holds what no lm has"),
    "an attribute twice": (
        HEAD + integers(13 | 1 << 9, 0, CELL) + symbol("a") + NULL + integers(CELL, 1 << 8 | 255) + NULL + NULL,
        "its attributes are broken",
    ),
    "an attribute without name": (HEAD + integers(13 | 1 << 9, 0, 2) + NULL + NULL, "its attributes are broken"),
    "names of another length": (
        HEAD + integers(13 | 1 << 9, 0, CELL) + symbol("names") + integers(16, 1) + text("a") + NULL,
        "its attributes are broken",
    ),
    "dimensions of another length": (
        HEAD + integers(13 | 1 << 9, 0, CELL) + symbol("dim") + integers(13, 2, 1000, 1000) + NULL,
        "its attributes are broken",
    ),
    "dimensions that are text": (
        HEAD + integers(13 | 1 << 9, 0, CELL) + symbol("dim") + integers(16, 0) + NULL,
        "its attributes are broken",
    ),
    "names without dimensions": (
        HEAD + integers(13 | 1 << 9, 0, CELL) + symbol("dimnames") + integers(19, 1) + NULL + NULL,
        "its attributes are broken",
    ),
    "names of dimensions that are no list": (
        HEAD + integers(13 | 1 << 9, 0, CELL) + symbol("dimnames") + integers(13, 0) + NULL,
        "its attributes are broken",
    ),
    "ALTREP of a package": (altrep("mmap_real", NULL, "simplemmap"), "it holds what no lm has"),
    "ALTREP of a file": (altrep("mmap_real", integers(2) + NULL + integers(13, 0)), "it holds what no lm has"),
    "ALTREP of no name": (HEAD + integers(238, 2) + NULL + NULL + integers(14, 0) + NULL, "it holds what no lm has"),
    "a sequence of no numbers": (altrep("compact_intseq", numbers(5)), "it is broken"),
    "a sequence of a wrong length": (altrep("compact_intseq", numbers(-5, 1, 1)), "it is broken"),
    "a sequence too long": (altrep("compact_intseq", numbers(1e15, 1, 1)), "it is broken"),
    "a sequence of other steps": (altrep("compact_realseq", numbers(5, 1, 3)), "it is broken"),
    "a wrapper of numbers": (altrep("wrap_real", numbers(5)), "it is broken"),
    "a wrapper of others": (altrep("wrap_real", integers(2, 13, 0, 13, 2, 0, 0)), "it is broken"),
    "a wrapper without notes": (altrep("wrap_integer", integers(2, 13, 0, 13, 0)), "it is broken"),
    "texts of texts": (altrep("deferred_string", integers(2, 16, 0, 13, 1, 0)), "it is broken"),
    "nested": (HEAD + integers(19, 1) * 100_000 + NULL, "it is nested too deep"),
    "many": (HEAD + integers(19, 1_000_000) + NULL * 1_000_000, "it is too large"),
    "no list": (HEAD + numbers(1), "its parts are not those of one"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_r_would_not_read_as_it_says_is_refused(case: str) -> None:
    content, message = BROKEN[case]
    with pytest.raises(RError, match=REFUSED + message):
        serialized_lm(pickled(content))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"rubbish",
        b"crpy2.rinterface\nevalr\n(S'system(1)'\ntR.",
        b"cos\nsystem\n(S'id'\ntR.",
        b"\x80\x04\x8c\x0frpy2.rinterface\x8c\x05evalr\x93)\x81C\x00b.",
        b"\x80\x04" + b"\x8c\x01a0" * 100_000 + b".",
        b"\x80\x04\x95" + b"\xff" * 8,
        b"\x80\x04r\xff\xff\xff\x7f.",  # an unpickler makes room for 2,147,483,648 memories
        pickle.dumps([1, 2]),
        pickle.dumps(b"X\n"),
    ],
)
def test_other_pickles_are_refused(content: bytes) -> None:
    with pytest.raises(RError, match=REFUSED):
        serialized_lm(content)


def test_what_r_cannot_read_is_refused_should_the_reader_have_missed_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lm, "serialized_lm", lambda pickled: pickled)
    with pytest.raises(RError, match=r"not a pickled lm: Error in .*: unknown input format"):
        Model(b"rubbish")


def test_short_forms_of_vectors_are_read_as_r_reads_them(honest: Path) -> None:
    made = (
        "list(1:1000, c(1:3, NA), sort(c(70:1, 5L)), as.character(1:100), as.character(c(1.5, 2)), 2:1 + 0,"
        "sort(runif(100)), sort(rep(c(TRUE, FALSE), 50)), NA_character_, '\\u00e4', as.numeric(1:1000),"
        "matrix(1:4, 2, dimnames = list(NULL, c('a', 'b'))))"
    )
    content = of_r(made, honest)
    assert content.count(integers(238)) > 4
    lengths = [item.length for item in serialized.read(content).elements]
    assert lengths == [1000, 4, 71, 100, 2, 2, 100, 100, 1, 1, 1000, 4]
    as_kept = of_r("model$qr$pivot <- 1:2; model$xlevels <- list(z = as.character(1:100)); model", honest)
    assert as_kept.count(integers(238)) >= 1
    fit, right = (
        Model(content).predict([array("d", [7.0])]).fit for content in (pickled(as_kept), honest.read_bytes())
    )
    assert fit == right


def test_codes_of_levels_that_there_are_not_end_no_process(shipped_models: Path) -> None:
    """R's C code took them for places in the contrasts."""
    file = live_file(shipped_models, "modelr.pickle", "mtcars")
    content = of_r("model$proof$rows$am[2] <- 0x10000003; model", file)
    with pytest.raises(RError):
        Model(pickled(content)).predict([array("d", [x]) for x in (2.62, 16.46, 2**28)])


# 200 pickles that were changed at random

Change = Callable[[random.Random, bytes], bytes]


def flip(chance: random.Random, content: bytes) -> bytes:
    at = chance.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :]


def other_type(chance: random.Random, content: bytes) -> bytes:
    at = 4 * chance.randrange(len(content) // 4) + len(HEAD + b"UTF-8") % 4
    kind = chance.choice([1, 2, 3, 4, 5, 6, 8, 9, 10, 13, 14, 15, 16, 19, 20, 21, 22, 24, 25, *range(238, 256)])
    return content[:at] + integers(kind | chance.choice([0, 0, 256, 512, 1024])) + content[at + 4 :]


def truncate(chance: random.Random, content: bytes) -> bytes:
    return content[: chance.randrange(len(content))]


def nest(chance: random.Random, content: bytes) -> bytes:
    places = [at for at in range(22, len(content) - 4) if content[at : at + 4] in (NULL, integers(14), integers(16))]
    at = chance.choice(places)
    return content[:at] + integers(19, 1) * chance.choice([1, 2, 100, 5_000, 30_000]) + content[at:]


def splice(chance: random.Random, content: bytes) -> bytes:
    begin, end, to = (chance.randrange(18, len(content)) for _ in range(3))
    return content[:to] + content[begin : begin + abs(end - begin) % 200] + content[to:]


def hostile(chance: random.Random, content: bytes) -> bytes:
    call = integers(6) + symbol("system") + integers(2, 16, 1) + text("touch ran") + NULL
    places = [at for at in range(22, len(content) - 4) if content[at : at + 4] == NULL]
    at = chance.choice(places)
    return content[:at] + chance.choice([call, promise(call), GLOBAL]) + content[at + 4 :]


CHANGES: list[Change] = [flip, flip, other_type, truncate, nest, splice, hostile, hostile]

LOAD = """
import sys
from array import array
from pathlib import Path
sys.path.insert(0, {root!r})
from lm_app.engine.lm import Model
from lm_app.errors import RError
for file in sorted(Path.cwd().glob("*.pickle")):
    columns = [array("d", [x]) for x in ((2.62, 16.46, 2) if "mtcars" in file.name else (29.5,))]
    try:
        model = Model(file.read_bytes())
        answer = model.predict(columns, "prediction")
        print(file.name, "told" if model.warnings else "loaded", answer.fit, answer.lower, answer.upper, flush=True)
    except RError as error:
        print(file.name, "refused", error, flush=True)
"""


def test_200_pickles_changed_at_random_run_nothing_and_harm_nothing(shipped_models: Path, tmp_path: Path) -> None:
    chance = random.Random(12)
    contents = {
        name: serialized_lm(live_file(shipped_models, "modelr.pickle", name).read_bytes())
        for name in ("timedistance", "mtcars")
    }
    for name, content in contents.items():
        (tmp_path / f"0-{name}.pickle").write_bytes(pickled(content))
    for number in range(200):
        name = chance.choice(list(contents))
        change = chance.choice(CHANGES)
        (tmp_path / f"{number + 100}-{name}-{change.__name__}.pickle").write_bytes(
            pickled(change(chance, contents[name]))
        )
    done = subprocess.run(
        [sys.executable, "-c", LOAD.format(root=str(ROOT))], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-1000:]
    lines = [line.split(" ", 2) for line in done.stdout.splitlines()]
    assert len(lines) == 202
    assert not (tmp_path / "ran").exists()
    right = {file.split("-")[1].removesuffix(".pickle"): answer for file, _, answer in lines[:2]}
    # What is no refusal is the same answer, or was told to be another: numbers themselves were changed.
    wrong = [
        line
        for line in lines
        if line[1] == "loaded" and line[2] != right[line[0].split("-")[1].removesuffix(".pickle")]
    ]
    assert not wrong
    assert sum(outcome == "refused" for _, outcome, _ in lines) > 100
