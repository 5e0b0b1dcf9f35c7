"""Whatever formula passes the reader, R opens, changes and starts nothing: `strace` watches the system calls.

FUZZ_EXAMPLES says how many are tried; `make fuzz` tries many.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.docs.test_formulas_doc import REFUSED, examples
from tests.faults.test_fuzz import fuzzed
from tests.training.test_formula_functions import EXPRESSIONS, LIKELY

STRACE = (
    "strace --follow-forks --quiet=all --seccomp-bpf --decode-fds=path --signal=none "
    "--trace=%file,%process,%network,%ipc,kill,tkill,?pidfd_send_signal,ptrace,ftruncate,fchmod,fchown --output"
)
CALL = re.compile(r"\d+ +(?P<name>\w+)\((?P<arguments>.*)")
PATH = re.compile(r'(?:(?:AT_FDCWD|\d+)<(?P<folder>[^>]*)>, )?"(?P<path>(?:[^"\\]|\\.)*)"')
LOOKS = re.compile(r"\w*stat(at|x|fs)?(64)?|f?access(at2?)?|readlink(at)?|getcwd|getxattr|sendfile|wait4|exit(_group)?")
"""What changes nothing; sendfile copies from an open file to another, which were judged when they were opened."""
READ = [*map(str, (ROOT, sys.prefix, sys.base_prefix)), "/usr", "/lib", "/proc/self/statm", "/etc/localtime"]
"""Where Python, R, their packages and time zones are, and how much memory this process has."""


def watched(folder: Path, command: list[str], **environment: str) -> list[str]:
    """Run a program, and list the calls that it may not make, each with the number of the formula that was at work.

    In the folder, the program may do what it likes, but for its subfolder `here`, where it is run.
    """
    (folder / "here").mkdir()
    log = folder / "log"
    done = subprocess.run(
        [*shlex.split(STRACE), str(log), *command],
        cwd=folder / "here",
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )
    if "ptrace" in done.stderr.lower() and not (log.exists() and "/formula/" in log.read_text()):
        pytest.skip(f"strace may not watch here: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr[-2000:]
    print(done.stdout)
    formula, found = "", list[str]()
    for line in log.read_text().splitlines():
        if mark := re.search(r'"/formula/(\w+)"', line):
            formula = mark[1]
        elif formula not in ("", "end") and not is_allowed(line, folder):
            found.append(f"{formula}: {line}")
    assert formula == "end"
    return found


def is_allowed(line: str, folder: Path) -> bool:
    call = CALL.match(line)
    if not call:
        return " resumed>" in line  # its beginning was judged
    name, arguments = call["name"], call["arguments"]
    if LOOKS.fullmatch(name) or (name.startswith("clone") and "CLONE_THREAD" in arguments):
        return True
    paths = [os.path.normpath(os.path.join(found["folder"] or "", found["path"])) for found in PATH.finditer(arguments)]
    places = [str(folder)]
    if name in ("open", "openat") and "O_RDONLY" in arguments and not re.search("O_CREAT|O_TRUNC", arguments):
        places += READ
    is_inside = [any(path == place or path.startswith(f"{place}/") for place in places) for path in paths]
    return bool(paths) and all(is_inside) and not any(path.startswith(str(folder / "here")) for path in paths)


def test_formulas_that_are_trained_and_asked(tmp_path: Path) -> None:
    """Those of docs/formulas.md, where each function is used and some are refused, and those that a grammar makes."""
    formulas = [*examples(), *REFUSED]

    @fuzzed
    @given(st.one_of(LIKELY, LIKELY, EXPRESSIONS))
    def collect(formula: str) -> None:
        formulas.append(f"y ~ {formula}")

    collect()
    (tmp_path / "formulas").write_text(json.dumps(formulas))
    data = tmp_path / "data.csv"
    rows = [
        f"{i + i % 7},{i},{i % 5},{'abc'[i % 3]},{i % 4 + 1},{i * i},{i % 6},{'uvw'[i % 4 % 3]},2026-0{i % 9 + 1}-11"
        for i in range(1, 41)
    ]
    data.write_text("\n".join(["y,x,z,g,log,top speed,contr.sum,h,day", *rows]))
    for name in ("models", "temporary"):
        (tmp_path / name).mkdir()
    command = [sys.executable, "-m", "tests.faults.train_each", str(tmp_path / "formulas"), str(data)]
    found = watched(
        tmp_path,
        command,
        LM_MODELS_DIR=str(tmp_path / "models"),
        TMPDIR=str(tmp_path / "temporary"),
        DJANGO_SETTINGS_MODULE="tests.settings",
    )
    assert [(line, formulas[int(line.split(":")[0])]) for line in found] == []


@pytest.mark.parametrize(
    "code",
    [
        "file.create('a')",
        "file.remove('a')",
        "unlink('../here/a')",
        "file.rename('a', '/nowhere/b')",
        "dir.create('a')",
        "Sys.chmod('/nowhere')",
        "file.symlink('a', 'b')",
        "readLines('/etc/passwd')",
        "system('true')",
        "setwd('/')",
        "tools::pskill(1, 0)",
        "tools::pskill(Sys.getpid(), 0)",
        "tryCatch(socketConnection(port = 1), error = identity, warning = identity)",
    ],
)
def test_the_watch_sees_what_r_does(tmp_path: Path, code: str) -> None:
    program = f"mark <- function(x) invisible(file.exists(x)); mark('/formula/0'); try({code}); mark('/formula/end')"
    assert watched(tmp_path, ["Rscript", "-e", f"suppressWarnings({{ {program} }})"])


def test_the_watch_sees_nothing_where_nothing_is(tmp_path: Path) -> None:
    inside = "writeLines('a', '../b'); readLines('../b')"
    program = f"x <- file.exists('/formula/0'); {inside}; x <- file.exists('/formula/end')"
    assert watched(tmp_path, ["Rscript", "-e", program]) == []
