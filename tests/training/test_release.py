"""What a version holds for people and servers: information, plots and the model card."""

from pathlib import Path

import pytest
from django.test import Client

from lm_app.errors import TrainingError
from lm_app.training import release
from lm_app.training.update import update
from tests.conftest import live_file, live_version, rscript, write_model

# Information


def test_many_observations_are_summarised(models: Path, client: Client) -> None:
    rows = "".join(f"{i % 7 + i},{i},{'ab'[i % 2]}\n" for i in range(1500))
    write_model(models, formula="time ~ distance + kind", rows="time,distance,kind\n" + rows, factors={"kind": []})
    update("timedistance", force=True)
    info = {key: client.get(f"/lm/api/key/{key}").json() for key in ("distance_values", "kind_values", "observations")}
    assert info["distance_values"]["n"] == 1500
    assert (info["distance_values"]["min"], info["distance_values"]["max"]) == (0, 1499)
    assert info["kind_values"] == {"n": 1500, "counts": {"a": 750, "b": 750}}
    assert info["observations"] == {"n": 1500, "first": [[i % 7 + i, i, "ab"[i % 2]] for i in range(10)]}
    assert client.get("/lm/api/key/complete_up_to").json() == 1000
    version = list(live_file(models, "fit.svg").parent.iterdir())
    assert sum(file.stat().st_size for file in version if file.suffix != ".svg") < 30_000
    assert all(file.stat().st_size < 1_000_000 for file in version if file.suffix == ".svg")


def test_the_pickle_is_small_and_has_no_data(models: Path) -> None:
    small = live_file(models, "modelr.pickle").stat().st_size
    write_model(models, rows="time,distance\n" + "".join(f"{i % 7 + i},{i}\n" for i in range(20_000)))
    update("timedistance", force=True)
    assert live_file(models, "modelr.pickle").stat().st_size < small + 200


def test_what_servers_would_load_slowly_is_not_published(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = live_version(models)
    monkeypatch.setattr(release, "SECONDS_TO_LOAD", 0)
    with pytest.raises(TrainingError, match="timedistance: not published: each server would need 0"):
        update("timedistance", force=True)
    assert live_version(models) == before


# Plots and the card


@pytest.mark.usefixtures("shipped_models")
def test_plots_are_served_as_svg(client: Client) -> None:
    for model in ("timedistance", "mtcars"):
        for name in ("fit", "residuals_vs_fitted", "normal_qq", "scale_location", "residuals_vs_leverage"):
            answer = client.get(f"/lm/api/models/{model}/plots/{name}.svg")
            assert answer["Content-Type"] == "image/svg+xml"
            assert answer.content.startswith(b"<?xml")
            assert answer.content.rstrip().endswith(b"</svg>")
            assert client.get(answer.request["PATH_INFO"], headers={"If-None-Match": answer["ETag"]}).status_code == 304
    answer = client.get("/lm/api/plots/nope.svg")
    assert (answer.status_code, "residuals_vs_leverage" in answer.json()["detail"]) == (404, True)


def test_model_card_says_what_r_says(shipped_models: Path) -> None:
    card = live_file(shipped_models, "MODEL_CARD.md", "mtcars").read_text()
    script = """
    mtcars$am <- factor(mtcars$am); m <- lm(mpg ~ wt + qsec + am, mtcars)
    cat(sprintf("%.4f", c(shapiro.test(residuals(m))$p.value, max(cooks.distance(m)))))
    """
    normality, cook = rscript(script).split()
    assert f"p = {normality}" in card
    assert f"row 17 ({cook})" in card
    assert "Some" not in card
    assert "{%" not in card
    for part in ("Purpose", "Data", "Formula", "Accuracy", "Residuals", "Limitations"):
        assert f"\n## {part}\n" in card
