"""R in this process."""

import subprocess
import sys
import threading
from array import array
from pathlib import Path

import pytest

from lm_app.engine import runtime
from lm_app.engine.lm import Model, range_of
from lm_app.errors import RError
from tests.conftest import ROOT, live_file


def test_r_that_cannot_start_is_an_error_that_says_so() -> None:
    script = f"""
import resource, sys
sys.path.insert(0, {str(ROOT)!r})
from lm_app.engine import runtime
from lm_app.errors import NotStarted
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))  # R writes a file when it starts
try:
    runtime.start()
except NotStarted as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "R can't start, the log says why; can it write to its temporary folder (TMPDIR)?\n"


def test_models_that_nobody_holds_are_dropped_in_r(shipped_models: Path) -> None:
    pickled = live_file(shipped_models, "modelr.pickle").read_bytes()
    before = runtime.kept_count()
    for _ in range(50):
        Model(pickled).predict([array("d", [7.0])])
    assert runtime.kept_count() <= before + 1


def test_where_the_fast_path_fails_predict_says_why(shipped_models: Path) -> None:
    model = Model(live_file(shipped_models, "modelr.pickle", "mtcars").read_bytes())
    observation = [array("d", [x]) for x in (2.62, 16.46, 2)]
    right = model.predict(observation).fit
    with pytest.raises(RError, match="length of object"):
        model.predict([array("d", [2.62]), array("d", [16.46, 17.02]), array("d", [2])])  # of unequal length
    assert model.predict(observation).fit == right


def test_the_range_of_many_numbers_is_right_while_r_is_busy_too() -> None:
    numbers = array("d", [float((7 * i) % 5003) - 10 for i in range(5003)])
    assert range_of(numbers) == (-10.0, 4992.0)
    may_go, is_in = threading.Event(), threading.Event()

    def stay() -> None:
        is_in.set()
        may_go.wait()

    busy = threading.Thread(target=runtime.in_r, args=[stay])
    busy.start()
    assert is_in.wait(5)
    assert range_of(numbers) == (-10.0, 4992.0)
    may_go.set()
    busy.join()


def test_who_waits_for_r_gets_it_before_who_gives_way() -> None:
    is_in, may_go, order = threading.Event(), threading.Event(), list[str]()

    def stay() -> None:
        is_in.set()
        may_go.wait()

    threads = [threading.Thread(target=runtime.in_r, args=args) for args in ([stay], [order.append, "waited"])]
    threads[0].start()
    assert is_in.wait(5)
    threads[1].start()
    while not runtime._waiting:
        pass
    threading.Timer(0.02, may_go.set).start()
    runtime.give_way()
    runtime.in_r(order.append, "gave way")
    for thread in threads:
        thread.join()
    assert order == ["waited", "gave way"]


def test_deep_recursion_is_an_r_error_not_the_end() -> None:
    """On a stack of the usual 8 MB this ends the process."""
    script = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from lm_app.engine import runtime
from rpy2 import rinterface
def deep(n):
    f = rinterface.evalr("function(n) if (n == 0) 0 else 1 + sys.function()(n - 1)")
    return f(rinterface.IntSexpVector([n]))[0]
print(runtime.in_r(deep, 1000))
try:
    runtime.in_r(deep, 10**6)
except rinterface.embedded.RRuntimeError as error:
    print("refused")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "1000.0\nrefused\n"), done.stderr


def test_an_r_user_can_source_and_run_the_r_files() -> None:
    script = """
    for (file in list.files(pattern = "[.]R$")) source(file)
    trained <- train(read.csv("../../extra_files/timedistance/timedistance.csv"), "time ~ distance")
    cat(predict(trained$model, data.frame(distance = 29.5)))
    """
    done = subprocess.run(
        ["Rscript", "-e", script], cwd=ROOT / "lm_app" / "R", capture_output=True, text=True, check=True
    )
    assert done.stdout == "47.73649"
