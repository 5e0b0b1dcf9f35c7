"""README and docs are a promise: their commands are run, and the responses that they show are compared."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.test import Client

from contrib.setup_env_and_terraform import main as set_up_env_and_terraform
from ml_api import settings as project_settings
from tests.conftest import ROOT, Server, StartServer, free_port, restore_interrupt, wait_until_answering
from tests.monitoring.made import cars, write_log

README = (ROOT / "README.md").read_text()
DEPLOY = (ROOT / "docs" / "deploy.md").read_text()
OF_THEIR_OWN = [ROOT / "docs" / name for name in ("access.md", "operate.md", "scale.md")]
"""What they show, test_access_doc.py, test_operate.py and test_scale_doc.py run."""
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]

VERSION = re.compile(r"\d{8}T\d{6}\.\d{6}Z")
LONG_NUMBER = re.compile(r"-?\d+\.\d{9,}")


def commands() -> list[tuple[str, str]]:
    """List each console command of the documents, with the response that is printed below it."""
    blocks = re.findall(
        r"```console\n(.*?)```", "".join(file.read_text() for file in DOCUMENTS if file not in OF_THEIR_OWN), re.DOTALL
    )
    parts = re.split(r"^\$ ", "\n".join(blocks), flags=re.MULTILINE)[1:]
    return [(command, answer.strip()) for command, _, answer in (part.partition("\n") for part in parts)]


BY_HAND = [
    "python3 -m venv .venv",
    "source .venv/bin/activate",
    "pip install -r requirements.txt",
    "python contrib/setup_env_and_terraform.py",
    "python manage.py runscript update_lm",
    "python manage.py runserver",
]


SET_UP = "python contrib/setup_env_and_terraform.py my-lm-api --docker-image docker.io/USER/lm-api:1.0.0 --force"
READERS = "pip install -r contrib/requirements-files.txt"
TRACES = "pip install -r contrib/requirements-traces.txt"
TERRAFORM = ["terraform init", "terraform apply", "terraform destroy"]
# No test can log in to Docker Hub or Azure. The parser of azure-cli 2.91 took its commands, and those of outputs().
ELSEWHERE = [
    "docker login",
    "az login",
    "export ARM_SUBSCRIPTION_ID=$(az account show --query id --output tsv)",
    "az group create --name my-models --location westeurope",
    "az storage account create --resource-group my-models --name mymodels --sku Standard_LRS --min-tls-version TLS1_2",
    "az storage share-rm create --resource-group my-models --storage-account mymodels --name models --quota 1",
    "export TF_VAR_models_share_key="
    "$(az storage account keys list --account-name mymodels --query '[0].value' --output tsv)",
]


def test_requests_are_answered_as_shown(serve: StartServer, tmp_path: Path) -> None:
    requests = [(command, answer) for command, answer in commands() if command.startswith(("curl ", "printf "))]
    assert len(requests) >= 8
    with serve("gunicorn") as server:
        for command, answer in requests:
            shell = command.replace("curl", "curl -s").replace("localhost:8000", server.url)
            done = subprocess.run(shell, shell=True, capture_output=True, text=True, check=True, cwd=tmp_path)
            assert_same_but_for_last_digits(done.stdout.strip(), answer)


def assert_same_but_for_last_digits(found: str, shown: str) -> None:
    """Versions differ, and another R or LAPACK may have another last digit."""
    found, shown = VERSION.sub("VERSION", found), VERSION.sub("VERSION", shown)
    assert LONG_NUMBER.sub("NUMBER", found) == LONG_NUMBER.sub("NUMBER", shown)
    numbers = [[float(number) for number in LONG_NUMBER.findall(text)] for text in (found, shown)]
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-12)


def manage(command: str, models: Path, folder: Path) -> None:
    """Run `python manage.py ...` as shown, in a folder and on models of the test's own."""
    words = [sys.executable, *shlex.split(command.replace("manage.py", str(ROOT / "manage.py")))[1:]]
    subprocess.run(words, cwd=folder, env={**os.environ, "LM_MODELS_DIR": str(models)}, check=True)


def test_scripts_run(models: Path, tmp_path: Path) -> None:
    scripts = [command for command, _ in commands() if command.startswith("python manage.py runscript")]
    assert len(scripts) >= 8
    # Each --rollback needs a version before the live one.
    for _ in range(sum(command.endswith("--rollback") for command in scripts)):
        manage("python manage.py runscript update_lm --script-args timedistance --force --quiet", models, tmp_path)
    (tmp_path / "cars.csv").write_text("dist,speed\n2,4\n10,4.5\n4,7\n22,7.5\n16,8\n")
    write_log(tmp_path / "predictions", "mtcars", cars(100))
    shutil.copyfile(ROOT / "extra_files" / "mtcars" / "mtcars.csv", tmp_path / "measured.csv")
    for command in scripts:
        manage(command, models, tmp_path)


def test_each_model_toml_that_is_shown_is_one(models: Path, tmp_path: Path) -> None:
    shown = [
        toml
        for file in DOCUMENTS
        if file not in OF_THEIR_OWN
        for toml in re.findall(r"```toml\n(.*?)```", file.read_text(), re.DOTALL)
    ]
    assert len(shown) == 2
    for toml in shown:
        [name] = re.findall(r'^data = "(.+)\.csv"', toml, re.MULTILINE)
        (models / name / "model.toml").write_text(toml)
        manage(f"python manage.py runscript update_lm --script-args {name} --force --quiet", models, tmp_path)


def test_links_lead_to_files() -> None:
    for file in DOCUMENTS:
        for link in re.findall(r"\]\((?!https?:)([^)]+)\)", file.read_text()):
            assert (file.parent / link).exists(), f"{file.name}: {link}"


def test_targets_of_make_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for file in DOCUMENTS:
        for target in re.findall(r"`make ([a-z]+)", file.read_text()):
            assert target in targets, f"{file.name}: make {target}"


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 180


def test_every_command_is_tested() -> None:
    here = {"make run", *BY_HAND, *ELSEWHERE, SET_UP, READERS, TRACES, *of_image(), *outputs(), *TERRAFORM}
    for command, _ in commands():
        assert command in here or command.startswith(("curl ", "printf ", "python manage.py runscript ")), command


@pytest.mark.parametrize("command", [READERS, TRACES])
def test_the_tests_have_what_is_installed_for_some(command: str) -> None:
    assert f"-r {command.split()[-1]}\n" in (ROOT / "requirements-dev.txt").read_text()


def of_image() -> list[str]:
    """The commands about the image, which is the one that main.tf deploys."""
    return [
        command for command, _ in commands() if command.startswith(("docker build ", "docker run ", "docker push "))
    ]


def outputs() -> list[str]:
    """The commands that terraform/outputs.tf prints, for the names that docs/deploy.md uses."""
    text = (ROOT / "terraform" / "outputs.tf").read_text().replace('\\"', '"')
    values = {"local.app": "--resource-group rg-my-lm-api --name my-lm-api"}
    values |= {"var.models_share.account": "mymodels", "var.models_share.name": "models"}
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value)
    return re.findall(r'"(az .*)"', text)


def test_set_up_for_azure_names_the_image_that_is_pushed(tmp_path: Path) -> None:
    words = shlex.split(SET_UP)
    assert words[:2] == ["python", "contrib/setup_env_and_terraform.py"]
    set_up_env_and_terraform(words[2:], tmp_path)
    image = re.findall(r'docker_image = "(.+)"', (tmp_path / "main.tf").read_text())
    assert image == ["docker.io/USER/lm-api:1.0.0"]
    assert [command.split()[1] for command in of_image() if image[0] in command.split()] == ["build", "run", "push"]


def test_options_of_main_tf_are_the_modules() -> None:
    module = "".join((ROOT / "terraform" / file).read_text() for file in ("variables.tf", "outputs.tf"))
    known = set(re.findall(r'^(?:variable|output) "(\w+)"', module, re.MULTILINE))
    named = set(re.findall(r"`([a-z]+_[a-z_]+|sku|instances)[` ]", DEPLOY))
    named |= set(re.findall(r"^  (\w+_\w+) +=", DEPLOY, re.MULTILINE))
    assert len(named) == 19
    assert named <= known


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A new clone of what is committed or about to be, as a user has it."""
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    for file in files.stdout.split("\n"):
        if (ROOT / file).is_file():
            (tmp_path / "clone" / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, tmp_path / "clone" / file)
    return tmp_path / "clone"


def fresh_environment(**variables: str) -> dict[str, str]:
    """Neither this test's virtual environment nor its settings."""
    mine = {"SECRET_KEY", "DEBUG", "ALLOWED_HOSTS", "LM_DEFAULT_MODEL", "DJANGO_SETTINGS_MODULE", "VIRTUAL_ENV"}
    mine |= {"LM_SIGNING_KEY", "LM_VERIFY_KEY"}
    path = os.environ["PATH"].replace(f"{Path(sys.executable).parent}:", "")
    return {**{k: v for k, v in os.environ.items() if k not in mine}, "PATH": path, **variables}


def run_until_predicting(command: list[str], clone: Path, port: str, log: Path, seconds: int) -> Server:
    """Start the command, and ask what the README asks; the caller interrupts it."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=clone,
            env=fresh_environment(PORT=port),
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=restore_interrupt,
        )
    server = Server(process, f"http://127.0.0.1:{port}", log)
    wait_until_answering(server, seconds)
    assert server.get("/lm/api/predict/29.5") == b"47.736486"
    return server


def url_to_open(server: Server) -> str:
    """What the log says."""
    [url] = re.findall(r"Open (http://\S+)", server.log.read_text())
    return str(url)


def end(server: Server) -> None:
    """Ctrl-C reaches the whole process group, as in a terminal."""
    os.killpg(server.process.pid, signal.SIGINT)
    try:
        server.process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(server.process.pid, signal.SIGKILL)
        raise AssertionError(server.log.read_text()) from None


def test_make_run_on_a_fresh_clone_and_the_second_time_within_seconds(clone: Path, tmp_path: Path) -> None:
    port = free_port()
    end(run_until_predicting(["make", "run", f"PORT={port}"], clone, port, tmp_path / "log", 400))
    begin = time.monotonic()
    server = run_until_predicting(["make", "run", f"PORT={port}"], clone, port, tmp_path / "log", 20)
    assert url_to_open(server) == f"http://localhost:{port}/lm"
    end(server)
    assert '"path":"/lm/api/predict/29.5","route":"lm/api/predict/<value>","status":200' in server.log.read_text()
    assert time.monotonic() - begin < 10


def test_the_commands_by_hand_on_a_fresh_clone(clone: Path, tmp_path: Path) -> None:
    assert [command for command, _ in commands() if command in BY_HAND][: len(BY_HAND)] == BY_HAND
    port = free_port()
    script = "\n".join(["set -e", *BY_HAND[:-1], f"exec {BY_HAND[-1]} {port}"])
    end(run_until_predicting(["bash", "-c", script], clone, port, tmp_path / "log", 400))


def test_settings_are_those_that_are_read() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    described = set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE))
    sources = [Path(project_settings.__file__), ROOT / "gunicorn.conf.py"]
    read = set(
        re.findall(
            r'(?:environ\.get|environment\.\w+|boolean|positive|natural|port|addresses)\(\s*["\']([A-Z_]+)',
            "".join(map(Path.read_text, sources)),
        )
    )
    assert described == read


def test_routes_are_those_of_the_api(models: Path, client: Client) -> None:
    described = set(re.findall(r"^\| `(GET|POST) (/lm/api[^`]*)`", README, re.MULTILINE))
    paths = client.get("/lm/api/openapi.json").json()["paths"]
    routes = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    of_models = {(method, path) for method, path in routes if path.startswith("/lm/api/models/")}
    assert described == routes - of_models
    assert {(method, re.sub("/models/[^/]+", "", path)) for method, path in of_models} <= described
