"""Labels of versions: given, moved and removed by versions_lm, and kept from what removes old versions."""

from pathlib import Path

import pytest
from django.test import Client

from lm_app.training.update import update
from tests.conftest import live_version, refusal, runscript, write_model

ONE = "/lm/api/predict?distance=29.5"


def train(models: Path, times: int = 1) -> list[str]:
    """Train timedistance anew; returns the new versions."""
    made = []
    for _ in range(times):
        update("timedistance", force=True)
        made.append(live_version(models))
    return made


def label(text: str) -> None:
    runscript("versions_lm", "timedistance", "--label", text)


def asked(client: Client, version: str) -> str:
    """The version that answers."""
    answer = client.get(ONE, headers={"LM-Version": version})
    assert answer.status_code == 200, answer.text
    return str(answer["LM-Version"])


def test_a_label_is_given_moved_and_removed_at_once(
    models: Path, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    first, [second] = live_version(models), train(models)
    capsys.readouterr()
    label(f"stable={first}")
    assert capsys.readouterr().out == f"timedistance: 'stable' is version {first}\n"
    assert asked(client, "stable") == first
    label("stable=live")
    assert asked(client, "stable") == second
    label(f"stable={first[:-1]}")  # its beginning
    assert asked(client, "stable") == first
    label("stable=")
    assert capsys.readouterr().out.endswith("timedistance: there is no label 'stable' any more\n")
    answer = client.get(ONE, headers={"LM-Version": "stable"})
    assert (answer.status_code, "there are: live, 2" in answer.json()["detail"]) == (404, True)


def test_labels_are_listed(models: Path, client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    label("stable=live")
    label("candidate-2=live")
    capsys.readouterr()
    runscript("versions_lm", "timedistance")
    assert f"live, candidate-2, stable  {live_version(models)}" in capsys.readouterr().out
    told = client.get(ONE, headers={"LM-Version": "x"}).json()["detail"]
    assert told == f"There is no version 'x'; there are: live, candidate-2, stable, {live_version(models)}."


def test_a_labelled_version_is_not_removed_until_its_label_is(models: Path, client: Client) -> None:
    write_model(models, keep=2)
    first = live_version(models)
    label(f"stable={first}")
    second, third, fourth = train(models, 3)
    kept = [version["version"] for version in client.get("/lm/api/versions").json()]
    assert kept == [fourth, third, first]
    assert asked(client, "stable") == first
    label("stable=")
    train(models)
    assert not (models / "timedistance" / "versions" / first).exists()
    assert second not in kept


@pytest.mark.parametrize("content", ["", "nothing", "../../mtcars/live", "\xff"])
def test_a_damaged_label_is_503_and_nothing_is_removed(
    models: Path, client: Client, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    label("stable=live")
    (models / "timedistance" / "labels" / "stable").write_text(content)
    told = client.get(ONE, headers={"LM-Version": "stable"})
    assert (told.status_code, "the file 'stable' " in told.json()["detail"]) == (503, True)
    assert client.get(ONE).status_code == 200
    assert [version["labels"] for version in client.get("/lm/api/versions").json()] == [[]]
    write_model(models, keep=1)
    first = live_version(models)
    train(models)
    assert (models / "timedistance" / "versions" / first).exists()  # it may be the one
    capsys.readouterr()
    for options in ([], ["--verify"]):
        assert "timedistance: the file 'stable' " in refusal(capsys, "versions_lm", "timedistance", *options)


def test_a_label_of_a_version_that_is_gone_is_503_that_says_how_to_move_it(
    models: Path, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    label("stable=live")
    gone = "20200101T000000.000000Z"
    (models / "timedistance" / "labels" / "stable").write_text(gone)
    answer = client.get(ONE, headers={"LM-Version": "stable"})
    remedy = "move it: python manage.py runscript versions_lm --script-args timedistance --label stable=VERSION"
    assert answer.status_code == 503
    told = answer.json()["detail"]
    assert told == f"label 'stable' is that of version {gone}, which is not there; {remedy}"
    assert told in refusal(capsys, "versions_lm", "timedistance")


def test_what_is_no_label_is_refused(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("live", "Stable", "2nd", "../stable", "", "a" * 65, "20200101T000000.000000Z", "-a", "a b"):
        told = refusal(capsys, "versions_lm", "timedistance", f"--label={name}=live")
        assert f"a label can't be {name!r}: a-z, 0-9 and '-', a letter first" in told
    told = refusal(capsys, "versions_lm", "timedistance", "--label", "stable")
    assert "--label is 'stable'; write such as stable=VERSION" in told
    assert "--label are for one model: name it" in refusal(capsys, "versions_lm", "--label", "stable=live")
    assert "there is no label 'stable'; there are: none" in refusal(
        capsys, "versions_lm", "timedistance", "--label", "stable="
    )
    assert not (models / "timedistance" / "labels").exists()


def test_a_version_that_can_not_be_served_gets_no_label(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    version = live_version(models)
    told = refusal(capsys, "versions_lm", "timedistance", "--label", "stable=1999")
    assert told == f"versions_lm: timedistance: there is no version '1999'; there are: {version}\n"
    (models / "timedistance" / "versions" / version / "modelr.pickle").write_bytes(b"x")
    for name in (version, "live"):
        told = refusal(capsys, "versions_lm", "timedistance", "--label", f"stable={name}")
        assert f"timedistance: version {version}: modelr.pickle is not what training wrote" in told
    (models / "timedistance" / "live").unlink()
    told = refusal(capsys, "versions_lm", "timedistance", "--label", "stable=live")
    assert told == "versions_lm: timedistance: the file 'live' can't be read: No such file or directory\n"
    assert not (models / "timedistance" / "labels").exists()


def test_a_label_that_can_not_be_written_is_one_line(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (models / "timedistance" / "labels").write_text("a file")
    told = refusal(capsys, "versions_lm", "timedistance", "--label", "stable=live")
    assert told == f"versions_lm: File exists: {models}/timedistance/labels\n"


def test_what_a_killed_labelling_left_behind_is_no_label_and_is_removed(models: Path, client: Client) -> None:
    label("stable=live")
    left = models / "timedistance" / "labels" / f".stable-{live_version(models)}"
    left.write_text("")
    assert client.get("/lm/api/versions").json()[0]["labels"] == ["stable"]
    label("other=live")
    assert not left.exists()


def test_a_rollback_moves_no_label(models: Path, client: Client) -> None:
    first, [second] = live_version(models), train(models)
    label("candidate=live")
    runscript("versions_lm", "timedistance", "--rollback")
    assert (asked(client, "live"), asked(client, "candidate")) == (first, second)
