"""Is a pickle one of an lm that train() made? Told from its bytes, before Python or R does anything of it.

What R evaluates of an lm, the calls in its terms, is read by check_model_calls() in formula_model.R afterwards.
"""

import pickletools
from collections.abc import Callable, Iterable
from itertools import islice

from lm_app.engine.serialized import (
    CALL,
    GLOBAL,
    LIST,
    LOGICALS,
    NULL,
    NUMBERS,
    TEXTS,
    WHOLES,
    Item,
    cells,
    read,
)
from lm_app.errors import RError


def serialized_lm(pickled: bytes) -> bytes:
    """Return what R's serialize() made of the lm. Raises RError where it is no pickled lm of ours."""
    try:
        content = _state(pickled)
        if not _is_lm(read(content)):
            raise RError("its parts are not those of one")
    except RError as error:
        raise RError(f"not a pickled lm that update_lm made: {error}") from None
    return content


# What a pickle of rpy2's class has the unpickler do, but for what is about its frames and its memory of what was read.
_OPERATIONS = [
    ("SHORT_BINUNICODE", "rpy2.rinterface"),
    ("SHORT_BINUNICODE", "ListSexpVector"),
    ("STACK_GLOBAL", None),
    ("EMPTY_TUPLE", None),
    ("NEWOBJ", None),
    ("bytes", None),
    ("BUILD", None),
    ("STOP", None),
]


def _state(pickled: bytes) -> bytes:
    operations = []
    content = b""
    try:
        for operation, argument, _ in islice(pickletools.genops(pickled), 3 * len(_OPERATIONS)):
            if isinstance(argument, bytes):
                content = argument
                operations.append(("bytes", None))
            elif operation.name not in ("PROTO", "FRAME", "MEMOIZE"):
                operations.append((operation.name, argument))
    except ValueError:  # what genops raises
        raise RError("it is broken") from None
    if operations != _OPERATIONS:
        raise RError("it is no pickle of rpy2's ListSexpVector")
    return content


# What an lm is made of: each is a function that tells whether an item is it.
Shape = Callable[[Item], bool]


def _of(*types: int, length: int | None = None) -> Shape:
    return lambda item: item.type in types and length in (None, item.length)


def _list_of(shape: Shape) -> Shape:
    return lambda item: item.type == LIST and "class" not in item.attributes and all(map(shape, item.elements))


def _null_or(shape: Shape) -> Shape:
    return lambda item: item.type == NULL or shape(item)


def _record(required: dict[str, Shape], optional: dict[str, Shape] | None = None, of_class: str | None = None) -> Shape:
    shapes = {**required, **(optional or {})}

    def is_record(item: Item) -> bool:
        attributes = item.attributes
        names = attributes["names"].texts if "names" in attributes else []
        given = dict(zip(names, item.elements, strict=False))
        return (
            item.type == LIST
            and len(given) == item.length
            and required.keys() <= given.keys() <= shapes.keys()
            and (attributes["class"].texts if "class" in attributes else [None]) == [of_class]
            and all(shapes[str(name)](element) for name, element in given.items())
        )

    return is_record


def _are_bare(items: Iterable[Item]) -> bool:
    """Whether no call in them has attributes, and none is an environment."""
    waiting = list(items)
    while waiting:
        part = waiting.pop()
        if part.type == GLOBAL or (part.type == CALL and "attributes" in part.parts):
            return False
        waiting += part.elements
        if part.type == CALL:
            waiting += _values(part)
    return True


def _values(call: Item) -> list[Item]:
    return [value for _, value in cells(call)]


def _is_bare_call(item: Item) -> bool:
    return item.type == CALL and _are_bare([item])


def _is_formula(item: Item) -> bool:
    return _is_formula_with(item, ["formula"], {"class": _of(TEXTS), ".Environment": _of(GLOBAL)}, {})


def _is_formula_with(item: Item, classes: list[str], required: dict[str, Shape], optional: dict[str, Shape]) -> bool:
    attributes, shapes = item.attributes, {**required, **optional}
    return (
        item.type == CALL
        and required.keys() <= attributes.keys() <= shapes.keys()
        and all(shapes[name](value) for name, value in attributes.items())
        and attributes["class"].texts == classes
        and _are_bare(_values(item))
    )


def _is_call_of_lm(item: Item) -> bool:
    if item.type != CALL or "attributes" in item.parts:
        return False
    formulas = [value for tag, value in cells(item) if tag == "formula"]
    return all(map(_is_formula, formulas)) and _are_bare(value for tag, value in cells(item) if tag != "formula")


_TERMS: dict[str, Shape] = {
    "class": _of(TEXTS),
    ".Environment": _of(GLOBAL),
    "variables": _is_bare_call,
    "predvars": _is_bare_call,
    "factors": _of(WHOLES),
    "term.labels": _of(TEXTS),
    "order": _of(WHOLES),
    "intercept": _of(WHOLES, length=1),
    "response": _of(WHOLES, length=1),
    "dataClasses": _of(TEXTS),
}


def _are_terms(item: Item) -> bool:
    if not _is_formula_with(item, ["terms", "formula"], _TERMS, {"offset": _of(WHOLES)}):
        return False
    of = item.attributes
    variables, labels = len(_values(of["variables"])) - 1, of["term.labels"].length
    # R's C code takes these for places in vectors.
    offsets = of["offset"].wholes if "offset" in of else []
    dim = of["factors"].attributes["dim"].wholes if of["factors"].length else []
    return (
        len(_values(of["predvars"])) - 1 == variables
        and dim == ([variables, labels] if labels else [])
        and of["order"].length == labels
        and set(of["intercept"].wholes + of["response"].wholes) <= {0, 1}
        and all(1 <= offset <= variables for offset in offsets)
    )


_ROWS = _list_of(_of(NUMBERS, WHOLES, LOGICALS))
_is_lm = _record(
    {
        "coefficients": _of(NUMBERS),
        "residuals": _of(NUMBERS),
        "rank": _of(WHOLES, length=1),
        "df.residual": _of(WHOLES, NUMBERS, length=1),
        "qr": _record({"qr": _of(NUMBERS), "rank": _of(WHOLES, length=1), "pivot": _of(WHOLES)}, of_class="qr"),
        "call": _is_call_of_lm,
        "terms": _are_terms,
    },
    {
        "xlevels": _null_or(_list_of(_of(TEXTS))),
        "contrasts": _null_or(_list_of(_of(TEXTS, NUMBERS, WHOLES))),
        "weights": _of(NUMBERS),
        "predictors": _list_of(_record({"kind": _of(TEXTS)}, {"levels": _of(TEXTS), "all_levels": _of(TEXTS)})),
        "fewest_rows": _of(WHOLES, NUMBERS, length=1),
        "r_inverse": _of(NUMBERS),
        "column_means": _record({"means": _of(NUMBERS), "assign": _of(WHOLES)}),
        "proof": _record(
            {"fast": _of(LOGICALS, length=1), "rows": _ROWS, "fast_path": _of(WHOLES, NUMBERS)},
            {"answers": _null_or(_list_of(_null_or(_of(NUMBERS)))), "r_version": _of(TEXTS), "blas": _of(TEXTS)},
        ),
        # of version 1.0.0
        "probe": _ROWS,
        "levels": _list_of(_record({"position": _of(WHOLES, length=1), "levels": _of(TEXTS, NULL)})),
    },
    of_class="lm",
)
