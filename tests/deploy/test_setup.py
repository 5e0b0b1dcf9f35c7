"""contrib/setup_env_and_terraform.py and how the settings read what it writes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from dotenv import dotenv_values

from contrib.setup_env_and_terraform import APP_NAME, DOCKER_IMAGE, LOCATION, SKU, main
from lm_app.store.signature import private_key, public_keys
from ml_api import environment
from tests.conftest import ROOT

IMAGE = "docker.io/user/lm-api:1.0.0"


def secret_key(root: Path) -> str:
    return dotenv_values(root / ".env")["SECRET_KEY"] or ""


def test_env_has_a_random_secret_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other").mkdir()
    main([], tmp_path)
    main(["my-app"], tmp_path / "other")
    assert secret_key(tmp_path) != secret_key(tmp_path / "other")
    assert len(secret_key(tmp_path)) >= 50
    env = dotenv_values(tmp_path / ".env")
    assert env["DEBUG"] == "False"
    assert "localhost" in (env["ALLOWED_HOSTS"] or "")
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
    assert capsys.readouterr().out.count("wrote ") == 4


def test_main_tf_has_what_was_said(tmp_path: Path) -> None:
    main(["my-app", "--docker-image", IMAGE, "--location", "eastus2", "--sku", "P0v3"], tmp_path)
    text = (tmp_path / "main.tf").read_text()
    settings = dict(re.findall(r'^  (\w+) += "(.*)"$', text, re.MULTILINE))
    assert settings["app_name"] == "my-app"
    assert settings["docker_image"] == IMAGE
    assert (settings["location"], settings["sku"]) == ("eastus2", "P0v3")
    assert secret_key(tmp_path) not in text


def test_main_tf_has_a_random_name_and_no_image_where_none_is_said(tmp_path: Path) -> None:
    main([], tmp_path)
    text = (tmp_path / "main.tf").read_text()
    assert re.search(r'app_name     = "lm-api-[0-9a-f]{8}"', text)
    assert 'docker_image = ""' in text


def test_what_exists_is_kept(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SECRET_KEY=mine\n")
    main(["my-app"], tmp_path)
    with pytest.raises(SystemExit, match="exists and stays as it is"):
        main(["another"], tmp_path)
    assert (tmp_path / ".env").read_text() == "SECRET_KEY=mine\n"
    (tmp_path / ".env").unlink()
    main(["another"], tmp_path)
    assert len(secret_key(tmp_path)) >= 50
    assert '"my-app"' in (tmp_path / "main.tf").read_text()


def test_force_overwrites_main_tf_and_keeps_env(tmp_path: Path) -> None:
    main(["my-app"], tmp_path)
    env = (tmp_path / ".env").read_text()
    main(["another", "--force"], tmp_path)
    assert '"another"' in (tmp_path / "main.tf").read_text()
    assert (tmp_path / ".env").read_text() == env


@pytest.mark.parametrize("old", ["DEBUG=True", "SECRET_KEY=old\nDEBUG=True\n"])
def test_new_secret_key_replaces_the_key_only(tmp_path: Path, old: str) -> None:
    (tmp_path / ".env").write_text(old)
    main(["--new-secret-key"], tmp_path)
    assert re.fullmatch(r"DEBUG=True\nSECRET_KEY=\S{50,}\n", (tmp_path / ".env").read_text())


def test_env_has_a_pair_of_signing_keys_and_main_tf_reads_the_public_one(tmp_path: Path) -> None:
    main([], tmp_path)
    env = dotenv_values(tmp_path / ".env")
    assert public_keys(env["LM_VERIFY_KEY"] or "") == [private_key(env["LM_SIGNING_KEY"] or "").public_key()]
    text = (tmp_path / "main.tf").read_text()
    assert re.search(r"^  verify_key +=.*LM_VERIFY_KEY", text, re.MULTILINE)
    assert "LM_SIGNING_KEY" not in text


@pytest.mark.parametrize("old", ["DEBUG=True\n", "LM_SIGNING_KEY=secret\nDEBUG=True\nLM_VERIFY_KEY=\n"])
def test_new_signing_key_replaces_the_pair_only(tmp_path: Path, old: str) -> None:
    (tmp_path / ".env").write_text(old)
    main(["--new-signing-key"], tmp_path)
    assert re.fullmatch(r"DEBUG=True\nLM_SIGNING_KEY=\S{64}\nLM_VERIFY_KEY=\S{60}\n", (tmp_path / ".env").read_text())


def test_where_keys_cant_be_made_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lm_app.store.signature", None)
    with pytest.raises(SystemExit, match=r"pip install -r requirements\.txt"):
        main([], tmp_path)
    assert not list(tmp_path.iterdir())
    # -S: a Python without packages
    script = [sys.executable, "-S", str(ROOT / "contrib" / "setup_env_and_terraform.py"), "--new-signing-key"]
    done = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "No module named 'cryptography'" in done.stderr


@pytest.mark.parametrize("name", ["a", "-ab", "ab-", "a b", "a_b", "a" * 61, "ä-app", "app\nX=1", 'a"b'])
def test_app_name_is_checked(tmp_path: Path, name: str) -> None:
    with pytest.raises(SystemExit, match="2 to 60 letters"):
        main(["--", name], tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("argument", "value", "allowed"),
    [
        ("--docker-image", "docker.io/user/lm-api", "an image with a tag"),
        ("--docker-image", "localhost:5000/lm-api", "an image with a tag"),
        ("--docker-image", "a:1${x}", "an image with a tag"),
        ("--docker-image", "docker.io/user/lm-api:latest", "a tag of its own"),
        ("--location", "West Europe", "such as westeurope"),
        ("--sku", "F1", "B1 to B3"),
    ],
)
def test_other_arguments_are_checked(tmp_path: Path, argument: str, value: str, allowed: str) -> None:
    with pytest.raises(SystemExit, match=allowed):
        main(["my-app", argument, value], tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("pattern", [APP_NAME, DOCKER_IMAGE, LOCATION, SKU])
def test_terraform_checks_by_the_same_rules(pattern: str) -> None:
    assert f'regex("^{pattern}$"' in (ROOT / "terraform" / "variables.tf").read_text()


@pytest.mark.parametrize(("text", "value"), [("True", True), ("off", False), ("1", True), ("NO", False), ("", True)])
def test_boolean_is_parsed(monkeypatch: pytest.MonkeyPatch, text: str, value: bool) -> None:
    monkeypatch.setenv("SOME", text)
    assert environment.boolean("SOME", default=True) is value


def test_boolean_that_is_none_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME", "maybe")
    with pytest.raises(ImproperlyConfigured, match="SOME has value 'maybe'"):
        environment.boolean("SOME", default=False)


@pytest.mark.parametrize(("text", "value"), [("7", 7), ("", 3)])
def test_positive_is_parsed(monkeypatch: pytest.MonkeyPatch, text: str, value: int) -> None:
    monkeypatch.setenv("SOME", text)
    assert environment.positive("SOME", default=3) == value


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "²"])
def test_positive_that_is_none_is_an_error(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SOME", text)
    with pytest.raises(ImproperlyConfigured, match=f"SOME has value '{text}'"):
        environment.positive("SOME", default=3)


def test_required_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME", "")
    with pytest.raises(ImproperlyConfigured, match="SOME is not set: do this"):
        environment.required("SOME", "do this")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ["::1"]),
        ("*", ["*"]),
        ("10.0.0.1, 10.1.0.0/16", ["10.0.0.1", "::ffff:10.0.0.1/128", "10.1.0.0/16", "::ffff:10.1.0.0/112"]),
    ],
)
def test_addresses_of_ipv4_come_as_ipv6_has_them_too(
    monkeypatch: pytest.MonkeyPatch, text: str, value: list[str]
) -> None:
    monkeypatch.setenv("SOME", text)
    assert environment.addresses("SOME", default="::1") == value


@pytest.mark.parametrize("text", ["*", "http://localhost:3000,https://[::1]:8443", "https://a-b.example.org", ""])
def test_origins_are_parsed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SOME", text)
    assert environment.origins("SOME") == [origin for origin in text.split(",") if origin]
