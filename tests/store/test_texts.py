"""The files of a version that people read, over HTTP."""

from pathlib import Path

from django.test import Client
from pytest_django import Settings

from tests.conftest import ROOT, live_file, rscript


def test_card_summary_and_plots(client: Client, shipped_models: Path) -> None:
    card = client.get("/lm/api/card.md")
    assert card["Content-Type"] == "text/markdown; charset=utf-8"
    assert card.content == live_file(shipped_models, "MODEL_CARD.md").read_bytes()
    summary = client.get("/lm/api/models/mtcars/summary.txt")
    assert summary["Content-Type"] == "text/plain; charset=utf-8"
    assert "Residual standard error: 2.459 on 28 degrees of freedom" in summary.content.decode()
    for name in client.get("/lm/api/plots").json():
        assert client.get(f"/lm/api/plots/{name}.svg").status_code == 200


def test_the_lm_can_be_taken_away(client: Client, shipped_models: Path, tmp_path: Path) -> None:
    code = client.get("/lm/api/models/mtcars/lm.R")
    assert (code.status_code, code["LM-Model"]) == (200, "mtcars")
    (tmp_path / "lm.R").write_bytes(code.content)
    observation = {"wt": "2.6", "qsec": "17", "am": "manual"}
    served = client.get("/lm/api/models/mtcars/predict", {**observation, "interval": "prediction"}).json()
    printed = rscript(
        f'm <- source("{tmp_path}/lm.R")$value; '
        'p <- predict(m, data.frame(wt = 2.6, qsec = 17, am = "manual"), interval = "prediction"); '
        'cat(sprintf("%.17g", p))'
    )
    assert list(map(float, printed.split())) == [served[name] for name in ("fit", "lower", "upper")]


def test_the_functions_for_r_are_those_of_contrib(client: Client, shipped_models: Path) -> None:
    code = client.get("/lm/api/lm.R")
    assert (code.status_code, code["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert code.content == (ROOT / "contrib" / "lm.R").read_bytes()
    assert "LM-Model" not in code
    unchanged = client.get("/lm/api/lm.R", headers={"If-None-Match": code["ETag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    [described] = client.get("/lm/api/openapi.json").json()["paths"]["/lm/api/lm.R"].values()
    assert (described["parameters"], set(described["responses"])) == ([], {"200"})


def test_a_version_of_before_has_no_code(client: Client, settings: Settings) -> None:
    settings.LM_MODELS_DIR = ROOT / "tests" / "golden" / "versions-1.0.0"
    settings.LM_VERIFY_KEYS = []
    refused = client.get("/lm/api/models/mtcars/lm.R")
    assert refused.status_code == 404
    assert "trained by an older release" in refused.json()["detail"]
