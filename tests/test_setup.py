"""contrib/setup_env_and_terraform.py and how the settings read what it writes."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from dotenv import dotenv_values

from contrib.setup_env_and_terraform import main
from ml_api import environment


def test_env_has_a_random_secret_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other").mkdir()
    main([], tmp_path)
    main(["my-app"], tmp_path / "other")
    first, second = dotenv_values(tmp_path / ".env"), dotenv_values(tmp_path / "other" / ".env")
    assert first["SECRET_KEY"] != second["SECRET_KEY"]
    assert len(first["SECRET_KEY"] or "") >= 50
    assert (first["DEBUG"], second["APP_NAME"]) == ("False", "my-app")
    assert "localhost" in (first["ALLOWED_HOSTS"] or "")
    assert capsys.readouterr().out.count("wrote ") == 2


def test_env_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("mine")
    with pytest.raises(SystemExit, match="exists and stays as it is"):
        main([], tmp_path)
    assert (tmp_path / ".env").read_text() == "mine"


@pytest.mark.parametrize("name", ["a", "-ab", "ab-", "a b", "a_b", "a" * 61, "ä-app", "app\nX=1"])
def test_app_name_is_checked(tmp_path: Path, name: str) -> None:
    with pytest.raises(SystemExit, match="2 to 60 letters"):
        main(["--", name], tmp_path)
    assert not (tmp_path / ".env").exists()


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
