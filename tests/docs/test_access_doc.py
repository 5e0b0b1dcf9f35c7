"""What docs/access.md shows is done in its order, and answered as is printed there."""

import os
import re
import shlex
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import tomli

from ml_api.access.keys import RIGHTS, parsed
from tests.conftest import ROOT, Server, StartServer

PAGE = (ROOT / "docs" / "access.md").read_text()
BLOCKS = "\n".join(re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = [part.partition("\n")[::2] for part in re.split(r"^\$ ", BLOCKS, flags=re.MULTILINE)[1:]]
NAMES = {"alice": "KEY", "bob": "BOB"}
"""What the page calls the key of each."""


def without_seconds(text: str) -> str:
    """Seconds go by."""
    return re.sub(r"(t=|retry-after: |again in )\d+", r"\1SECONDS", text.strip())


def start(serve: StartServer, command: str, folder: Path) -> tuple[ExitStack, Server]:
    """Start a server with the settings that stand before `make run`."""
    settings = dict(word.split("=", 1) for word in command.split()[:-2])
    settings["LM_API_KEYS_FILE"] = str(folder / settings["LM_API_KEYS_FILE"])
    running = ExitStack()
    return running, running.enter_context(serve("make run", **settings))


def test_the_commands_are_answered_as_shown(serve: StartServer, models: Path, tmp_path: Path) -> None:
    variables, running, server = {**os.environ, "LM_MODELS_DIR": str(models)}, ExitStack(), None
    for command, shown in COMMANDS:
        if command.startswith("python "):
            words = shlex.split(command.replace("manage.py", str(ROOT / "manage.py")))
            run = subprocess.run(
                [sys.executable, *words[1:]], cwd=tmp_path, env=variables, capture_output=True, text=True
            )
            kind = re.fullmatch(r"lm_(\w+)_[\w-]{43}\n", run.stdout)
            assert kind, run.stderr
            assert re.fullmatch(rf"lm_{kind[1]}_[\w-]{{43}}", shown.strip())
            variables[NAMES[kind[1]]] = run.stdout.strip()
        elif command.endswith("make run"):
            running.close()
            running, server = start(serve, command, tmp_path)
        elif command.startswith("curl "):
            assert server
            shell = command.replace("curl ", "curl -s ").replace("localhost:8000", server.url)
            for _ in range(100):
                found = subprocess.run(shell, shell=True, cwd=tmp_path, env=variables, capture_output=True, text=True)
                if without_seconds(found.stdout) == without_seconds(shown):
                    break
                time.sleep(0.1)  # until the file of keys is read anew
            assert without_seconds(found.stdout) == without_seconds(shown)
        else:
            [requirements] = re.fullmatch(r"pip install (-r .+)", command).groups()  # type: ignore[union-attr]
            assert f"{requirements}\n" in (ROOT / "requirements-dev.txt").read_text()
    running.close()
    assert len(COMMANDS) == 12


def test_the_file_that_is_shown_is_one() -> None:
    [shown] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert parsed(shown)["alice"].rights == {"predict", "read"}
    assert list(tomli.loads(shown)["alice"]) == ["hash", "models", "rights"]


def test_the_rights_are_those_that_there_are() -> None:
    assert tuple(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == RIGHTS
