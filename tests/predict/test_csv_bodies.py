"""A CSV body is read as training reads a file."""

import pytest
from django.test import Client

from lm_app.data.reading import read_table
from lm_app.predictors import Numeric


def answer(client: Client, body: str | bytes, kind: str = "text/csv", model: str = "mtcars") -> list[float]:
    content = body.encode() if isinstance(body, str) else body
    response = client.generic("POST", f"/lm/api/models/{model}/predict", content, content_type=kind)
    assert response.status_code == 200, response.json()
    fit: list[float] = response.json()["predictions"]["fit"]
    return fit


def refusal(client: Client, body: str | bytes) -> dict[tuple[object, ...], str]:
    response = client.post("/lm/api/predict", body, content_type="text/csv")
    assert response.status_code == 422
    return {tuple(error["loc"]): error["msg"] for error in response.json()["errors"]}


PLAIN = "wt,qsec,am\n2.6,17,manual\n3.2,18.5,automatic\n"
SAME = {
    "semicolons and commas": "wt;qsec;am\n2,6;17;manual\n3,2;18,5;automatic\n",
    "semicolons and points": PLAIN.replace(",", ";"),
    "tabs": PLAIN.replace(",", "\t"),
    "blanks": PLAIN.replace(",", " "),
    "sep=; of Excel": "sep=;\nwt;qsec;am\n2,6;17;manual\n3,2;18,5;automatic\n",
    "blanks around": "wt, qsec,am\n 2.6,17 ,manual\n3.2, 18.5,automatic\n",
    "commas at the end": PLAIN.replace("\n", ",\n"),
    "commas at the end of the rows": "wt,qsec,am\n2.6,17,manual,\n3.2,18.5,automatic,\n",
    "empty rows at the end": PLAIN + ",,\n,,\n",
    "write.csv": '"","wt","qsec","am"\n"1",2.6,17,"manual"\n"2",3.2,18.5,"automatic"\n',
    "carriage returns": PLAIN.replace("\n", "\r"),
    "a byte-order mark": "\ufeff" + PLAIN,
}


@pytest.mark.parametrize("kind", SAME)
def test_kinds_of_bodies_are_read_alike(models: object, client: Client, kind: str) -> None:
    assert answer(client, SAME[kind]) == answer(client, PLAIN)


def test_the_charset_is_heard(models: object, client: Client) -> None:
    for charset in ("utf-16", "iso-8859-1"):
        assert answer(client, PLAIN.encode(charset), f"text/csv; charset={charset}") == answer(client, PLAIN)
    assert answer(client, PLAIN.encode("utf-16")) == answer(client, PLAIN)
    response = client.generic("POST", "/lm/api/predict", b"distance\n1\n", content_type="text/csv; charset=klingon")
    assert response.status_code == 400
    assert "there is no encoding 'klingon'" in response.json()["detail"]


@pytest.mark.parametrize("text", ["1,500", "1,5", "12,5"])
def test_a_quoted_comma_in_a_comma_separated_body_is_no_number(models: object, client: Client, text: str) -> None:
    assert refusal(client, f'distance\n"{text}"\n20\n') == {
        ("body", 0, "distance"): f"row 0: distance is {text!r}; it must be a finite decimal number such as 29.5 or 17, "
        "without a thousands separator."
    }


def test_points_and_commas_in_one_column_are_no_numbers(models: object, client: Client) -> None:
    body = "wt;qsec;am\n2,6;17;manual\n3.2;18,5;manual\n"
    response = client.post("/lm/api/models/mtcars/predict", body, content_type="text/csv")
    assert [error["loc"] for error in response.json()["errors"]] == [["body", 0, "wt"]]


@pytest.mark.parametrize(
    "text", ["9.20216e-05", "0.1", "1e-300", "123456789.123456789", "1E5", "+5", ".5", "5.", "007"]
)
def test_a_number_is_read_as_in_training(text: str) -> None:
    trained = read_table(f"y,x\n{text},1\n".encode()).columns["y"].values[0]
    served = Numeric("y", None, trained, trained)
    assert served.from_csv([text]) == [trained]
    assert served.from_text([text]) == [trained]
    assert served.are_inside([trained])
