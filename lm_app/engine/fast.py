"""The fast path of a prediction: a call prepared once, made through R's C API."""

from array import array
from typing import TypeAlias

from rpy2 import rinterface
from rpy2.rinterface_lib import openrlib

from lm_app.engine.convert import strings

Values: TypeAlias = "array[float] | memoryview[float]"

rlib, ffi = openrlib.rlib, openrlib.ffi


class FastPredict:
    """The call that prepare_predict() in fast_predict.R returns: of x, interval and level.

    It goes by R's C API: through rpy2 a call costs four times the arithmetic and gives up the GIL some thirty times.

    Who protects what from R's collector: rpy2 protects the call as long as `call` lives, and the call protects the
    arguments that hang on it. A new x hangs there before R allocates again. R's answer is protected by nothing; it
    is copied before R allocates again.
    """

    def __init__(self, call: rinterface.LangSexpVector) -> None:
        self.call = call
        self.c_call = call.__sexp__._cdata
        self.x = rlib.CDR(self.c_call)
        self.interval = rlib.CDR(self.x)
        self.level = rlib.CDR(self.interval)
        self.asked: tuple[str, float] | None = None
        self.failed = ffi.new("int *")

    def __call__(
        self, x: "array[float] | memoryview[float]", size: int, interval: str, level: float
    ) -> list[float] | None:
        """Compute `size` numbers, or None where only predict() can answer."""
        vector = rlib.Rf_allocVector(rlib.REALSXP, len(x))
        ffi.memmove(rlib.REAL(vector), x, 8 * len(x))
        rlib.SETCAR(self.x, vector)
        if self.asked != (interval, level):
            as_r = strings(interval), rinterface.FloatSexpVector([level])
            rlib.SETCAR(self.interval, as_r[0].__sexp__._cdata)
            rlib.SETCAR(self.level, as_r[1].__sexp__._cdata)
            self.asked = interval, level
        answer = rlib.R_tryEval(self.c_call, rlib.R_GlobalEnv, self.failed)
        rlib.SETCAR(self.x, rlib.R_NilValue)
        if self.failed[0] or rlib.Rf_xlength(answer) != size:
            return None
        numbers: list[float] = ffi.unpack(rlib.REAL(answer), size)
        return numbers
