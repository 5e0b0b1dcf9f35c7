"""The R code has tests in R: tests/R, by testthat."""

import os
import re
import subprocess
from pathlib import Path


def test_the_tests_in_r_pass() -> None:
    script = 'testthat::test_dir("tests/R", reporter = "check", stop_on_failure = TRUE)'
    done = subprocess.run(
        ["Rscript", "-e", script],
        cwd=Path(__file__).resolve().parent.parent,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = re.search(r"FAIL 0 \| WARN 0 \| SKIP 0 \| PASS (\d+)", done.stdout)
    assert result and int(result[1]) > 0, done.stdout
