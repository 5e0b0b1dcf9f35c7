"""The fast path of a prediction: a call prepared once, made through R's C API."""

import ctypes
from array import array
from typing import Any, TypeAlias

from rpy2 import rinterface
from rpy2.rinterface_lib import openrlib

from lm_app.engine.convert import doubles_at, strings

Values: TypeAlias = "array[float] | memoryview[float]"

rlib, ffi = openrlib.rlib, openrlib.ffi

SMALL = 8
"""So many numbers R computes in less time than Python's lock takes to another thread and back."""


def _function(kind: Any, name: str, *arguments: Any) -> Any:
    address = int(ffi.cast("intptr_t", ffi.addressof(rlib, name)))
    return kind(ctypes.c_void_p, *arguments)(address)


# By ctypes.PYFUNCTYPE, a call keeps Python's lock; by CFUNCTYPE it gives it up, as each of rpy2's own does.
_EVAL = "R_tryEval", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
_eval_small, _eval_large = _function(ctypes.PYFUNCTYPE, *_EVAL), _function(ctypes.CFUNCTYPE, *_EVAL)
_length = _function(ctypes.PYFUNCTYPE, "Rf_xlength", ctypes.c_void_p)
_numbers = _function(ctypes.PYFUNCTYPE, "REAL", ctypes.c_void_p)


def _address(pointer: Any) -> int:
    return int(ffi.cast("intptr_t", pointer))


class FastPredict:
    """The call that prepare_predict() in fast_predict.R returns: of x, interval and level.

    It goes by R's C API: through rpy2 a call costs four times the arithmetic and gives up Python's lock some thirty
    times, here once, or not at all for few numbers.

    Who protects what from R's collector: rpy2 protects the call as long as `call` lives, and the call protects the
    arguments that hang on it. A new x hangs there before R allocates again. R's answer is protected by nothing; it
    is copied before R allocates again.
    """

    def __init__(self, call: rinterface.LangSexpVector) -> None:
        self.call = call
        self.x = rlib.CDR(call.__sexp__._cdata)
        self.interval = rlib.CDR(self.x)
        self.level = rlib.CDR(self.interval)
        self.values: Any = None
        """Where R has the numbers of the x that hangs on the call."""
        self.length = -1
        self.asked: tuple[str, float] | None = None
        self.failed = ffi.new("int *")
        self.arguments = _address(call.__sexp__._cdata), _address(rlib.R_GlobalEnv), _address(self.failed)

    def __call__(self, x: Values, size: int, interval: str, level: float) -> list[float] | None:
        """Compute `size` numbers, or None where only predict() can answer."""
        if self.length != len(x):
            self._make_room(len(x))
        ffi.memmove(self.values, x, 8 * len(x))
        if self.asked != (interval, level):
            as_r = strings(interval), rinterface.FloatSexpVector([level])
            rlib.SETCAR(self.interval, as_r[0].__sexp__._cdata)
            rlib.SETCAR(self.level, as_r[1].__sexp__._cdata)
            self.asked = interval, level
        answer = (_eval_small if size <= SMALL else _eval_large)(*self.arguments)
        numbers: list[float] | None = None
        if not self.failed[0] and _length(answer) == size:
            found = ffi.cast("double *", _numbers(answer))
            # unpack() takes half as long again for many
            numbers = ffi.unpack(found, size) if size <= SMALL else doubles_at(found, size).tolist()
        if size > SMALL:  # else the next request most likely asks for as many
            self._make_room(0)
        return numbers

    def _make_room(self, length: int) -> None:
        vector = rlib.Rf_allocVector(rlib.REALSXP, length)
        rlib.SETCAR(self.x, vector)
        self.values, self.length = rlib.REAL(vector), length
