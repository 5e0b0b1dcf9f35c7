"""docs/from-r.md tells the truth: what it shows is run, and answered as it says."""

import hashlib
import re
import subprocess
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.conftest import ROOT, StartServer, refusal, runscript
from tests.docs.test_readme import assert_same_but_for_last_digits
from tests.training.test_deployed import NAMES

PAGE = (ROOT / "docs" / "from-r.md").read_text()
HEADINGS = ["Deploy", "Without the data"]
[DEPLOY], [WITHOUT] = (re.findall(rf"## {heading}\n.*?```r\n(.*?)```", PAGE, re.DOTALL) for heading in HEADINGS)
ASK = re.findall(r"```r\n([^`]*)```\n\n```text\n([^`]*)```", PAGE)
[FROM_README] = re.findall(r"```r\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
COMMAND = re.findall(r"^python manage.py runscript (\w+) --script-args (.*)$", PAGE, re.MULTILINE)
PUBLISHED, REFUSED = re.findall(r"```\n(cars: .*)\n```", PAGE)
NOT_TAKEN = re.findall(r"^\| `(.*)` \| (.*) \|$", PAGE.partition("| what is said |")[2], re.MULTILINE)
VERSION = r"R [\d.]+\d"
LINE_END = re.compile(r"\s*\n")


def in_r(script: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run R where the models are in extra_files, as on the page."""
    folder.joinpath("extra_files").mkdir(exist_ok=True)
    here = script.replace("contrib/lm.R", str(ROOT / "contrib" / "lm.R"))
    return subprocess.run(["Rscript", "--vanilla", "-e", here], cwd=folder, capture_output=True, text=True)


@pytest.fixture
def deployed(tmp_path: Path, settings: Settings) -> Path:
    """The model of the page's first lines."""
    settings.LM_MODELS_DIR = tmp_path / "extra_files"
    done = in_r(DEPLOY, tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path / "extra_files" / "cars"


def test_the_first_lines_deploy_and_publish(deployed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert {path.name for path in deployed.iterdir()} == set(re.findall(r"^\| `([\w.]+)` \|", PAGE, re.MULTILINE))
    [(script, words)] = COMMAND
    runscript(script, words)
    assert re.sub(VERSION, "R", PUBLISHED) in re.sub(VERSION, "R", capsys.readouterr().out)


def test_without_data_no_data_are_written(deployed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    without = 'source("contrib/lm.R"); fit <- lm(dist ~ poly(speed, 2), cars); ' + WITHOUT
    done = in_r(without, tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in deployed.iterdir()} == {"model.toml", "fitted.json"}
    runscript("update_lm", "cars")
    assert re.search(rf"fitted elsewhere, in {VERSION}", capsys.readouterr().out)


def test_each_answer_in_r_is_as_shown(serve: StartServer, deployed: Path, tmp_path: Path) -> None:
    runscript("update_lm", "cars")
    source, deploy, ask = FROM_README.splitlines()
    with serve("gunicorn", LM_MODELS_DIR=str(tmp_path / "extra_files"), LM_DEFAULT_MODEL="cars") as server:

        def printed(*code: str) -> str:
            done = in_r("\n".join(code).replace("http://localhost:8000", server.url), tmp_path)
            assert done.returncode == 0, done.stderr
            return done.stdout

        answers = printed(*(f"{code}cat('==\\n')" for code, _ in ASK)).split("==\n")
        for answer, (_, shown) in zip(answers[:-1], ASK, strict=True):
            assert_same_but_for_last_digits(LINE_END.sub("\n", answer), LINE_END.sub("\n", shown))
        same = "cat(identical(unname(predict(m)), unname(predict(fit, cars[cars$speed > 5, ]))))"
        assert printed(DEPLOY.partition("deploy_lm")[0], source, ASK[0][0].splitlines()[1], same) == "TRUE"
        assert printed(source, deploy) == ""
        runscript("update_lm", "braking")
        assert [float(number) for number in printed(source, ask).split()[3:]] == pytest.approx(
            [1, 65.00149, 33.42257, 96.5804], abs=1e-4
        )


@pytest.mark.parametrize(("call", "said"), NOT_TAKEN)
def test_what_is_not_taken_is_said(call: str, said: str, tmp_path: Path) -> None:
    done = in_r(f'source("contrib/lm.R"); twice <- function(x) 2 * x; deploy_lm({call}, "m")', tmp_path)
    assert done.returncode != 0
    assert said in " ".join(done.stderr.split())
    assert list((tmp_path / "extra_files").iterdir()) == []


def test_a_difference_is_told_with_both_numbers(deployed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = in_r('source("contrib/lm.R"); deploy_lm(lm(dist ~ speed, cars), "cars")', deployed.parent.parent)
    assert done.returncode == 0, done.stderr
    file = deployed / "fitted.json"
    body = file.read_text().replace("3.9324087591240855", "3.9375").rpartition('"md5"')[0]
    file.write_text(f'{body}"md5": "{hashlib.md5(body.encode()).hexdigest()}"}}\n')
    said = refusal(capsys, "update_lm", "cars").removeprefix("update_lm: ").strip()
    assert re.sub(VERSION, "R", said) == re.sub(VERSION, "R", REFUSED)


def test_every_file_and_option_is_there() -> None:
    assert len(ASK) == 3
    assert len(re.findall(r"^```r$", PAGE, re.MULTILINE)) == 5
    assert len(NOT_TAKEN) == 6
    assert f"Tests deploy {len(NAMES)} such models" in PAGE
