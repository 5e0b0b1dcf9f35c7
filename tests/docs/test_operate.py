"""What docs/operate.md shows is done in its order, with a real Prometheus."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from tests.conftest import ROOT, StartServer, free_port, wait_until

PAGE = (ROOT / "docs" / "operate.md").read_text()
BLOCKS = "\n".join(re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = [part.partition("\n")[::2] for part in re.split(r"^\$ ", BLOCKS, flags=re.MULTILINE)[1:]]


def run(command: str, folder: Path, variables: dict[str, str]) -> str:
    command = command.replace("python manage.py", f"{sys.executable} {ROOT}/manage.py")
    done = subprocess.run(["sh", "-c", command], cwd=folder, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def until_printed(text: str, command: str, folder: Path, variables: dict[str, str]) -> None:
    deadline = time.monotonic() + 40
    while text not in (found := run(command, folder, variables)):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


def test_from_nothing_to_a_server_with_all_of_it(serve: StartServer, models: Path, tmp_path: Path) -> None:
    settings = dict(re.findall(r"^export (\w+)=(\S+)", PAGE, re.MULTILINE))
    settings = {
        name: str(tmp_path / value) if "/" in value and "/minute" not in value else value
        for name, value in settings.items()
    }
    (config,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    variables = {**os.environ, "LM_MODELS_DIR": str(models)}
    prometheus, keys = f"localhost:{free_port()}", list[str]()
    with ExitStack() as running:
        for command, shown in COMMANDS:
            if command == "make train":
                continue  # the fixture has done that
            if command == "make run":
                server = running.enter_context(serve("make run", **settings))
            elif command.startswith("curl "):
                command = command.replace("curl", "curl -s").replace("localhost:8000", server.url)
                assert run(command, tmp_path, variables) == shown.strip()
            elif command.startswith("prometheus "):
                words = [*shlex.split(command), f"--web.listen-address={prometheus}"]
                log = running.enter_context((tmp_path / "prometheus.log").open("wb"))
                process = subprocess.Popen(words, cwd=tmp_path, stdout=log, stderr=log)
                running.callback(process.wait)
                running.callback(process.terminate)
                until_ready = f"for i in $(seq 200); do curl -sf http://{prometheus}/-/ready && break; sleep 0.1; done"
                run(until_ready, tmp_path, variables)
            elif command.startswith("promtool query"):
                until_printed("=> 1 @", command.replace("localhost:9090", prometheus), tmp_path, variables)
            elif command.startswith("promtool check"):
                target = server.url.removeprefix("http://")
                config = config.replace("localhost:8000", target).replace("../contrib", str(ROOT / "contrib"))
                (tmp_path / "operate" / "prometheus.yml").write_text(config)
                (tmp_path / "operate" / "metrics.key").write_text(keys[1])
                assert "SUCCESS" in run(command, tmp_path, variables)
            else:
                printed = run(command, tmp_path, variables)
                if "make_key" in command:
                    keys.append(printed)
                    variables["LAB"] = keys[0]
        wait_until(lambda: '"rows":' in server.log.read_text())
        lines = [json.loads(line) for line in server.log.read_text().splitlines() if '"gunicorn.access"' in line]
        assert [line["key"] for line in lines if line.get("rows")] == ["lab"]
    assert json.loads((tmp_path / "operate" / "ready.json").read_text())["status"] == "ready"
    assert (tmp_path / "operate" / "drift.json").exists()
