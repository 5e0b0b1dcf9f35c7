"""Signatures: who trains signs, who serves verifies, and what nobody signed is refused."""

import hmac
import logging
import os
import re
import shutil
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from dotenv import dotenv_values
from pytest_django import Settings

from contrib.setup_env_and_terraform import main as set_up
from lm_app.store import live, signature
from lm_app.store.signature import new_keys, private_key, public_keys, sign
from ml_api import environment
from tests.conftest import ROOT, StartServer, live_file, live_version, refusal, runscript

PREDICTION = "/lm/api/predict/29.5"
PRIVATE, PUBLIC = (line.partition("=")[2] for line in new_keys().split())
REMEDY = "if you trust it, sign it: python manage.py runscript versions_lm --script-args timedistance --sign"
PRIVATE_BEGINS = b"MC4CAQAwBQYDK2VwBCIEI"
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def flip(file: Path, position: int) -> None:
    """Change one bit of a file."""
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(content)


def in_manifest(version: Path) -> None:
    file = version / "manifest.json"
    flip(file, file.read_bytes().index(b"distance"))


def blank_in_manifest(version: Path) -> None:
    with (version / "manifest.json").open("a") as file:
        file.write(" ")


def in_signature(version: Path) -> None:
    flip(version / "signature", 20)


def no_base64(version: Path) -> None:
    (version / "signature").write_bytes(b"ed25519\n(none)\n")


def by_another_key(version: Path) -> None:
    (version / "signature").write_bytes(sign((version / "manifest.json").read_bytes(), private_key(PRIVATE)))


def by_hmac(version: Path) -> None:
    """Sign as 1.0.0 did."""
    digest = hmac.new(b"secret", (version / "manifest.json").read_bytes(), "sha256").hexdigest()
    (version / "signature").write_text(digest)


def unsigned(version: Path) -> None:
    (version / "signature").unlink()


def a_folder(version: Path) -> None:
    unsigned(version)
    (version / "signature").mkdir()


CHANGED, OLD = "it was changed since it was signed", "its signature is not by Ed25519, but from before"
CHANGES: list[tuple[Callable[[Path], None], str]] = [
    (in_manifest, CHANGED),
    (blank_in_manifest, CHANGED),
    (in_signature, CHANGED),
    (no_base64, CHANGED),
    (by_another_key, "or signed by another key than LM_VERIFY_KEY's"),
    (by_hmac, OLD),
    (unsigned, "it is not signed"),
]


# Serving


def test_after_the_set_up_versions_are_signed_and_a_server_needs_no_private_key(
    serve: StartServer, models: Path, tmp_path: Path
) -> None:
    set_up([], tmp_path)
    keys = {name: value or "" for name, value in dotenv_values(tmp_path / ".env").items() if name.startswith("LM_")}
    update = [sys.executable, "manage.py", "runscript", "update_lm", "--script-args", "timedistance", "--quiet"]
    subprocess.run(update, cwd=ROOT, env={**os.environ, **keys, "LM_MODELS_DIR": str(models)}, check=True)
    assert live_file(models, "signature").read_bytes().startswith(b"ed25519\n")
    with serve("gunicorn", LM_VERIFY_KEY=keys["LM_VERIFY_KEY"], LM_SIGNING_KEY="") as server:
        assert server.get(PREDICTION) == b"47.736486"
        assert server.refusal("/lm/api/models/mtcars")[0] == 503  # signed by the key of the tests
        assert "LM_VERIFY_KEY is not set" not in server.log.read_text()


@pytest.mark.parametrize(("change", "why"), CHANGES)
def test_what_is_not_verified_is_refused_until_it_is_signed_anew(
    models: Path,
    client: Client,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], None],
    why: str,
) -> None:
    monkeypatch.setattr(live, "SECONDS_BETWEEN_CHECKS", 0)
    change(live_file(models, "manifest.json").parent)
    assert client.get(PREDICTION).status_code == 503
    assert why in caplog.text
    if change is not in_manifest:  # which names another model then
        assert REMEDY in caplog.text
        runscript("versions_lm", "--sign")
        assert client.get(PREDICTION).json() == 47.736486


def test_a_signature_that_cant_be_read_is_refused(
    models: Path, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    a_folder(live_file(models, "manifest.json").parent)
    assert client.get(PREDICTION).status_code == 503
    assert "its signature can't be read" in caplog.text


def test_several_keys_verify_while_a_new_one_comes_in(models: Path, client: Client, settings: Settings) -> None:
    settings.LM_VERIFY_KEYS = [*public_keys(PUBLIC), *settings.LM_VERIFY_KEYS]
    assert client.get(PREDICTION).json() == 47.736486
    by_another_key(live_file(models, "manifest.json").parent)
    live.cache.clear()
    assert client.get(PREDICTION).json() == 47.736486


def test_without_keys_models_of_before_are_served_and_one_warning_says_so(
    models: Path, client: Client, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.LM_SIGNING_KEY, settings.LM_VERIFY_KEYS = None, []
    signature._warn_that_nothing_is_verified.cache_clear()
    for file in models.glob("*/versions/*/signature"):
        file.unlink()
    assert client.get(PREDICTION).json() == 47.736486
    assert client.get("/lm/api/models").status_code == 200
    runscript("update_lm", "timedistance", "--force", "--quiet")
    assert not live_file(models, "signature").exists()
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "LM_VERIFY_KEY is not set: models are unsigned" in warnings[0]
    assert "--new-signing-key" in warnings[0]


# Signing


def test_who_has_no_private_key_can_neither_train_nor_sign(
    models: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    before = live_version(models)
    settings.LM_SIGNING_KEY = None
    assert "LM_SIGNING_KEY is not set" in refusal(capsys, "update_lm", "timedistance", "--force", "--quiet")
    assert live_version(models) == before
    assert [path.name for path in (models / "timedistance" / "versions").iterdir()] == [before]
    assert "only who trains" in refusal(capsys, "versions_lm", "timedistance", "--sign")


def test_what_is_signed_is_shown_and_what_is_damaged_stays_unsigned(
    models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("timedistance", "mtcars"):
        unsigned(live_file(models, "manifest.json", name).parent)
    live_file(models, "fit.svg", "mtcars").write_bytes(b"x")
    with pytest.raises(SystemExit, match="1"):
        runscript("versions_lm", "--sign")
    said = capsys.readouterr()
    version = live_version(models)
    assert f"timedistance: version {version}: time ~ distance, " in said.out
    assert f"timedistance: version {version} is signed" in said.out
    assert re.search(r"heightweight: version \S+ is signed", said.out)
    assert "mtcars: version" not in said.out
    assert said.err.count("\n") == 1
    assert "fit.svg is not what training wrote" in said.err
    assert not live_file(models, "signature", "mtcars").exists()
    runscript("versions_lm", "timedistance", "--verify")


def test_openssl_verifies_a_signature(models: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b64decode(os.environ["LM_VERIFY_KEY"]))
    (tmp_path / "signature").write_bytes(b64decode(live_file(models, "signature").read_bytes().splitlines()[1]))
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key", "-rawin"]
    command += ["-in", str(live_file(models, "manifest.json")), "-sigfile", "signature"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "Signature Verified Successfully" in done.stdout


# Keys


@pytest.mark.parametrize("name", ["LM_SIGNING_KEY", "LM_VERIFY_KEY"])
@pytest.mark.parametrize(
    "value", [" ", "secret", "a" * 64, PRIVATE[:-4], PUBLIC[:-4], f"{PUBLIC}x", f"{PRIVATE}x", "schlüssel", ","]
)
def test_what_is_no_key_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=f"{name} is not a (private|public) Ed25519 key") as raised:
        environment.private_key(name) if name == "LM_SIGNING_KEY" else environment.public_keys(name, None)
    assert "--new-signing-key" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(value) < 3 or value not in str(raised.value)


def test_a_key_of_another_algorithm_is_refused() -> None:
    for kind in ("ed448", "x25519"):
        pem = subprocess.run(["openssl", "genpkey", "-algorithm", kind], capture_output=True, text=True, check=True)
        private = "".join(pem.stdout.splitlines()[1:-1])
        pem = subprocess.run(["openssl", "pkey", "-pubout"], input=pem.stdout, capture_output=True, text=True)
        for read, text in ((private_key, private), (public_keys, "".join(pem.stdout.splitlines()[1:-1]))):
            with pytest.raises(ValueError, match="Ed25519 key"):
                read(text)


def test_the_private_key_is_not_taken_for_the_public_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LM_VERIFY_KEY", PRIVATE)
    with pytest.raises(ImproperlyConfigured, match="LM_VERIFY_KEY is a private key: keep it where") as raised:
        environment.public_keys("LM_VERIFY_KEY", None)
    assert PRIVATE not in str(raised.value)
    monkeypatch.setenv("LM_SIGNING_KEY", PUBLIC)
    with pytest.raises(ImproperlyConfigured, match="LM_SIGNING_KEY is not a private"):
        environment.private_key("LM_SIGNING_KEY")


def test_the_public_key_has_to_be_that_of_the_private_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("", os.environ["LM_VERIFY_KEY"]):
        monkeypatch.setenv("LM_VERIFY_KEY", value)
        with pytest.raises(ImproperlyConfigured, match="does not hold the public key") as raised:
            environment.public_keys("LM_VERIFY_KEY", private_key(PRIVATE))
        assert PUBLIC in str(raised.value)
    monkeypatch.setenv("LM_VERIFY_KEY", f"{os.environ['LM_VERIFY_KEY']}, {PUBLIC}")
    assert len(environment.public_keys("LM_VERIFY_KEY", private_key(PRIVATE))) == 2


@pytest.mark.parametrize("command", [["manage.py", "check"], ["-m", "gunicorn", "ml_api.wsgi"]])
def test_a_server_with_a_blank_key_does_not_start(command: list[str]) -> None:
    variables = {**os.environ, "DJANGO_SETTINGS_MODULE": "ml_api.settings", "LM_SIGNING_KEY": "", "LM_VERIFY_KEY": " "}
    done = subprocess.run([sys.executable, *command], cwd=ROOT, env=variables, capture_output=True, text=True)
    assert done.returncode == 1
    assert "LM_VERIFY_KEY is not a public Ed25519 key" in done.stderr
    assert done.stderr.count("\n") == 1


# The image


def test_an_image_trusts_the_key_of_its_build_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "IMAGE_KEY", tmp_path / "verify_key")
    (tmp_path / "verify_key").write_text(f"{PUBLIC}\n")
    monkeypatch.setenv("LM_VERIFY_KEY", "")
    assert environment.public_keys("LM_VERIFY_KEY", None) == public_keys(PUBLIC)
    monkeypatch.setenv("LM_VERIFY_KEY", os.environ["LM_VERIFY_KEY"] or new_keys().rpartition("LM_VERIFY_KEY=")[2])
    assert len(environment.public_keys("LM_VERIFY_KEY", None)) == 2


@pytest.mark.parametrize("own", [True, False])
def test_an_images_models_are_signed_and_no_private_key_stays(tmp_path: Path, models: Path, own: bool) -> None:
    app, secret = tmp_path / "app", tmp_path / "env"
    for folder in ("lm_app", "ml_api", "scripts", "extra_files/timedistance"):
        shutil.copytree(ROOT / folder, app / folder, ignore=shutil.ignore_patterns("__pycache__", "live", "versions"))
    for file in ("manage.py", "CHANGELOG.md"):
        shutil.copy(ROOT / file, app)
    if own:
        set_up([], tmp_path)
        shutil.move(tmp_path / ".env", secret)
    [command] = re.findall(r"^RUN --mount=type=secret,id=env \\\n((?:.*\\\n)*.*)", DOCKERFILE, re.MULTILINE)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LM_", "DJANGO_", "SECRET"))}
    clean["PATH"] = f"{Path(sys.executable).parent}:{clean['PATH']}"
    subprocess.run(
        ["sh", "-c", command.replace("/run/secrets/env", str(secret))],
        cwd=app,
        env=clean,
        check=True,
        capture_output=True,
    )
    assert live_file(app / "extra_files", "signature").is_file()
    public = (app / "verify_key").read_text().strip()
    assert not own or public == dotenv_values(secret)["LM_VERIFY_KEY"]
    assert public_keys(public)
    assert [file for file in app.rglob("*") if file.is_file() and PRIVATE_BEGINS in file.read_bytes()] == []
    verify = [sys.executable, "manage.py", "runscript", "versions_lm", "--script-args", "timedistance", "--verify"]
    done = subprocess.run(verify, cwd=app, env={**clean, "SECRET_KEY": "x"}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_image_is_run_without_the_private_key() -> None:
    [command] = re.findall(r"^\$ docker run .*", (ROOT / "docs" / "deploy.md").read_text(), re.MULTILINE)
    assert " --env-file .env --env LM_SIGNING_KEY= " in command


def test_the_private_key_is_in_one_command_of_the_image_and_in_no_instruction() -> None:
    assert PRIVATE.encode().startswith(PRIVATE_BEGINS)
    instructions = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", "").splitlines()
    naming = [line for line in instructions if "secret" in line or "new_keys" in line or "SIGNING" in line]
    assert len(naming) == 1
    assert naming[0].startswith("RUN --mount=type=secret,id=env ")
    assert f">{environment.IMAGE_KEY.name} " in naming[0]
    assert "secret" not in DOCKERFILE.rpartition("\nFROM ")[2]
