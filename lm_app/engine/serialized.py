"""Read what R's serialize() wrote, without R: to R's unserialize(), it may be code.

What this lets through, R only copies. It loads no package for it (as for a namespace, or another package's ALTREP), and
evaluates nothing (as a promise, CVE-2024-27322); lengths and dimensions are true, so that R's C code may trust them.
The format is that of https://cran.r-project.org/doc/manuals/r-release/R-ints.html#Serialization-Formats.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat

from lm_app.errors import RError

SYMBOL, PAIRS, CALL, TEXT, TEXTS, LIST = 1, 2, 6, 9, 16, 19
LOGICALS, WHOLES, NUMBERS = 10, 13, 14
NULL, GLOBAL, REFERENCE, ALTREP = 254, 253, 255, 238
VECTORS = LOGICALS, WHOLES, NUMBERS, TEXTS, LIST
_WIDTHS = {LOGICALS: 4, WHOLES: 4, NUMBERS: 8}
_OTHERS = {
    3: "a function",
    4: "an environment",
    5: "a promise",
    7: "a function",
    8: "a function",
    21: "bytecode",
    22: "an external pointer",
    23: "a weak reference",
    25: "an S4 object",
    240: "bytecode",
    241: "an environment",
    242: "an environment",
    247: "an environment",
    248: "an environment",
    249: "an environment",
    250: "an environment",
}
MAX_DEPTH = 22_000  # a sum of 10,000 has 20,000; R recurses for each, and a stack of 8 MB ends beyond 25,000
MAX_ITEMS = 500_000  # a formula of 10,000 calls, which stands there four times, has 200,000
MAX_SEQUENCE = 10_000_000  # of 1:n, which has no bytes for its values
_GROWABLE = 0x20  # a bit of R's that may be left on a vector
_ENCODINGS = {0: "utf-8", 4: "latin-1", 8: "utf-8", 64: "ascii"}
_INTEGER = struct.Struct(">i")


@dataclass(slots=True, eq=False)
class Item:
    """One R object. Of numbers and logicals, only the place is known; `parts` are a list's elements, or a cell's."""

    type: int
    length: int = 0
    content: bytes = b""
    at: int = 0
    texts: list[str | None] = field(default_factory=list)  # of a character vector; a symbol's name
    parts: dict[str, "Item"] = field(default_factory=dict)  # of a cell: "attributes", "tag", "car", "cdr"
    elements: list["Item"] = field(default_factory=list)

    @property
    def attributes(self) -> dict[str, "Item"]:
        """The attributes by their names."""
        return dict(cells(self.parts["attributes"])) if "attributes" in self.parts else {}

    @property
    def name(self) -> str:
        """A symbol's name; "" of all else."""
        return self.texts[0] or "" if self.type == SYMBOL else ""

    @property
    def wholes(self) -> list[int]:
        """The values of an integer vector, or of logicals."""
        return [value for (value,) in _INTEGER.iter_unpack(self.content[self.at : self.at + 4 * self.length])]


def cells(pairs: Item) -> Iterator[tuple[str, Item]]:
    """Walk a pairlist, or a call: tags (or "") and values."""
    while pairs.type != NULL:
        yield (pairs.parts["tag"].name if "tag" in pairs.parts else ""), pairs.parts["car"]
        pairs = pairs.parts["cdr"]


def read(content: bytes) -> Item:
    """Read one object, of vectors, lists, calls and the global environment. Raises RError for all else."""
    try:
        return _Reader(content).read()
    except (struct.error, UnicodeDecodeError):
        raise _broken() from None


def _broken() -> RError:
    return RError("it is broken")


class _Reader:
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 14
        self.symbols: list[Item] = []
        self.items_left = MAX_ITEMS

    def read(self) -> Item:
        if self.content[:2] != b"X\n":
            raise RError("it is not in R's binary format")
        version = _INTEGER.unpack_from(self.content, 2)[0]
        if version == 3:
            encoding = self.bytes(self.integer())
            if encoding not in (b"UTF-8", b"ASCII", b"US-ASCII", b"ANSI_X3.4-1968"):
                raise RError("its texts are not in UTF-8")
        elif version != 2:
            raise RError(f"it is in version {version} of R's binary format")
        root = Item(LIST)
        # A stack of our own, as Python's own may be too small: what is being read, and the roles of its parts to come
        waiting = [(root, iter(["element"]))]
        while waiting:
            parent, roles = waiting[-1]
            role = next(roles, None)
            if role is None:
                waiting.pop()
                _check(parent)
            else:
                item, inner = self.item(role)
                if role == "element":
                    parent.elements.append(item)
                else:
                    parent.parts[role] = item
                if inner is not None:
                    waiting.append((item, inner))
                    if len(waiting) > MAX_DEPTH:
                        raise RError("it is nested too deep")
        if self.at != len(self.content):
            raise _broken()
        return root.elements[0]

    def item(self, role: str) -> tuple[Item, Iterator[str] | None]:
        """Read the head of an item: the roles of its parts follow."""
        flags = self.integer()
        kind, levels = flags & 0xFF, flags >> 12
        after = ["attributes"] * (flags >> 9 & 1)
        self.count(1)
        if kind == REFERENCE:
            number = flags >> 8 or self.integer()
            if not 0 < number <= len(self.symbols):
                raise _broken()
            _refuse_unless_allowed(SYMBOL, role)
            return self.symbols[number - 1], None
        _refuse_unless_allowed(kind, role)
        if levels and not (levels == _GROWABLE and kind in VECTORS):
            raise RError("it holds what no lm has")
        if kind in (NULL, GLOBAL):
            return Item(kind), None
        if kind == SYMBOL:
            symbol = Item(kind, texts=[self.text()])
            if not symbol.name:
                raise _broken()
            self.symbols.append(symbol)
            return symbol, None
        if kind == ALTREP:
            return Item(kind), iter(["info", "state", "attributes"])
        if kind in VECTORS:
            return self.vector(kind, after)
        if kind == PAIRS and after:
            raise RError("it holds what no lm has")
        tag = ["tag"] * (flags >> 10 & 1)
        return Item(kind), iter([*after, *tag, "car", "notes" if role == "state" else "cdr"])

    def vector(self, kind: int, after: list[str]) -> tuple[Item, Iterator[str]]:
        length = self.integer()
        if not 0 <= length <= len(self.content):
            raise _broken()
        item = Item(kind, length, self.content, self.at)
        if kind == LIST:
            return item, _then(length, after)
        if kind == TEXTS:
            self.count(length)
            item.texts = [self.text() for _ in range(length)]
        else:
            self.skip(length * _WIDTHS[kind])
        return item, iter(after)

    def text(self) -> str | None:
        flags, length = self.integer(), self.integer()
        if flags & 0xFFF != TEXT or flags >> 12 not in _ENCODINGS:
            raise _broken()
        if length == -1:
            return None  # NA
        text = self.bytes(length).decode(_ENCODINGS[flags >> 12])
        if "\0" in text:
            raise _broken()
        return text

    def count(self, items: int) -> None:
        self.items_left -= items
        if self.items_left < 0:
            raise RError("it is too large")

    def integer(self) -> int:
        value: int = _INTEGER.unpack_from(self.content, self.at)[0]
        self.at += 4
        return value

    def bytes(self, length: int) -> bytes:
        begin = self.at
        self.skip(length)
        return self.content[begin : self.at]

    def skip(self, length: int) -> None:
        if not 0 <= length <= len(self.content) - self.at:
            raise _broken()
        self.at += length


def _then(count: int, after: list[str]) -> Iterator[str]:
    yield from repeat("element", count)
    yield from after


_VALUES = {*VECTORS, NULL, CALL, ALTREP}
_ROLES = {
    "element": _VALUES,
    "car": {*_VALUES, GLOBAL, SYMBOL},
    "cdr": {PAIRS, NULL},
    "tag": {SYMBOL},
    "attributes": {PAIRS, NULL},
    "info": {PAIRS},
    "state": {PAIRS, NUMBERS},
    "notes": {WHOLES},
}


def _refuse_unless_allowed(kind: int, role: str) -> None:
    if kind not in _ROLES[role]:
        raise RError(f"it holds {_OTHERS.get(kind, 'what no lm has')}")


# An object is checked when all its parts have been.


def _check(item: Item) -> None:
    if item.type == ALTREP:
        _check_altrep(item)
    tags = [tag for tag, _ in cells(item.parts["attributes"])] if "attributes" in item.parts else []
    if len(set(tags)) < len(tags) or (item.type in VECTORS and not _are_sound(item, item.attributes)):
        raise RError("its attributes are broken")


# Those of calls are a matter of what they are.
def _are_sound(item: Item, attributes: dict[str, Item]) -> bool:
    if not attributes.keys() <= {"names", "dim", "dimnames", "class"}:
        return False
    dim, names, dimnames = (attributes.get(name) for name in ("dim", "names", "dimnames"))
    if dim is not None:
        sizes = dim.wholes if dim.type == WHOLES else []
        if min(sizes, default=-1) < 0 or math.prod(sizes) != item.length:
            return False
    if names is not None and not _names(names, item.length):
        return False
    if dimnames is not None:
        sizes = dim.wholes if dim is not None else []
        if dimnames.type != LIST or dimnames.length != len(sizes):
            return False
        pairs = zip(dimnames.elements, sizes, strict=True)
        return all(one.type == NULL or _names(one, size) for one, size in pairs)
    return "class" not in attributes or (item.type == LIST and attributes["class"].texts in _CLASSES)


_CLASSES = ["lm"], ["qr"]


def _names(item: Item, length: int) -> bool:
    return item.type == TEXTS and item.length == length


# ALTREP is R's way not to write out 1:n and the like. The item becomes the vector that it stands for.

_WRAPPED = {"wrap_integer": WHOLES, "wrap_logical": LOGICALS, "wrap_real": NUMBERS, "wrap_string": TEXTS}
_SEQUENCES = {"compact_intseq": WHOLES, "compact_realseq": NUMBERS}


def _check_altrep(item: Item) -> None:
    info, state = [value.name for _, value in cells(item.parts["info"])], item.parts["state"]
    name = info[0]
    if info[1:2] != ["base"] or name not in {*_WRAPPED, *_SEQUENCES, "deferred_string"}:
        raise RError("it holds what no lm has")
    if name in _SEQUENCES:
        item.type, item.length = _SEQUENCES[name], _sequence_length(state)
        return
    if state.type != PAIRS:
        raise _broken()
    wrapped, notes = state.parts["car"], state.parts["notes"]
    if name == "deferred_string":
        item.type = TEXTS  # which ones, only R can tell
        is_sound = wrapped.type in (WHOLES, NUMBERS) and notes.length == 1
    else:
        item.type, item.content, item.at, item.texts = wrapped.type, wrapped.content, wrapped.at, wrapped.texts
        is_sound = wrapped.type == _WRAPPED[name] and notes.length == 2
    if not is_sound:
        raise _broken()
    item.length = wrapped.length


def _sequence_length(state: Item) -> int:
    if state.type != NUMBERS or state.length != 3:
        raise _broken()
    length, first, step = struct.unpack_from(">ddd", state.content, state.at)
    if not (0 <= length <= MAX_SEQUENCE and length == int(length) and abs(step) == 1 and abs(first) < 1 << 30):
        raise _broken()
    return int(length)
