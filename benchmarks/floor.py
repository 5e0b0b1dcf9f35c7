"""The floor of a batch of JSON columns: parse, R's predict and write, in one process, without HTTP and checks.

python -m benchmarks.floor DATA BATCH ANSWER: reads BATCH and writes ANSWER; then for each line on stdin does the same
sum again, and prints the seconds it took.
"""

import json
import sys
import time
from array import array
from pathlib import Path

import orjson
from rpy2 import rinterface
from rpy2.rinterface_lib import openrlib


def main(data: str, batch: str, answer: str) -> None:
    """Serve stdin."""
    rinterface.initr(interactive=False)
    rinterface.globalenv["model"] = rinterface.evalr(f"lm(time ~ distance, read.csv({json.dumps(data)}))")
    predict = rinterface.evalr("function(distance) predict(model, list(distance = distance))")
    body = Path(batch).read_bytes()

    def respond() -> bytes:
        distance = array("d", orjson.loads(body)["distance"])
        fit = predict(rinterface.FloatSexpVector.from_memoryview(memoryview(distance)))
        values = array("d")
        values.frombytes(openrlib.ffi.buffer(openrlib.rlib.REAL(fit.__sexp__._cdata), 8 * len(fit)))
        return orjson.dumps({"fit": values.tolist()})

    Path(answer).write_bytes(respond())
    print("ready", flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        respond()
        print(time.perf_counter() - begin, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
