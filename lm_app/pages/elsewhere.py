"""The section "Use this prediction elsewhere": the request of the page as code, to copy.

A URL is percent-encoded, so that nothing in it means anything between double quotes: in a shell, in R and in a
spreadsheet it is written in the same way. What Python and JavaScript have as texts is written as JSON has it.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from django.urls import reverse

from lm_app.pages.page import Page

KEY = "X-API-Key"
MOST_IN_TEXT = 255
"""So many characters may a text in an Excel formula have; longer ones are joined."""
FIT_COLUMN = "fit\n"


class Snippet(NamedTuple):
    """Code in one language."""

    language: str
    code: str


def context(page: Page) -> dict[str, Any]:
    """Write the page's request as code."""
    url = page.request.build_absolute_uri(reverse("api:model_predict_many", args=[page.model.name]))
    query = {**page.texts, "interval": page.options.interval, **page.asked}
    needs_key = "ml_api.key" in page.request.META  # see ml_api/access/middleware.py
    return {"snippets": snippets(url, query, needs_key=needs_key), "needs_key": needs_key}


def snippets(url: str, query: Mapping[str, str], *, needs_key: bool) -> list[Snippet]:
    """Write a GET of `url`, with the values and options of `query`, in each language.

    A spreadsheet can't send a key, so that there is no formula where the server needs one.
    """
    found = [
        Snippet("curl", _curl(url, query, needs_key)),
        Snippet("R", _r(url, query, needs_key)),
        Snippet("Python", _python(url, query, needs_key)),
        Snippet("JavaScript", _javascript(url, query, needs_key)),
    ]
    if not needs_key:
        found += [
            Snippet("Excel and LibreOffice", _excel(url, query)),
            Snippet("Google Sheets", f"=IMPORTDATA({_in_formula(_csv_url(url, query))})"),
        ]
    return found


def _with_query(url: str, query: Mapping[str, str]) -> str:
    return f"{url}?{urlencode(query, quote_via=quote, safe='')}"


def _csv_url(url: str, query: Mapping[str, str]) -> str:
    return _with_query(url, {**query, "format": "csv"})


def _curl(url: str, query: Mapping[str, str], needs_key: bool) -> str:
    key = f'-H "{KEY}: KEY" ' if needs_key else ""
    return f'curl {key}"{_with_query(url, query)}"'


def _r(url: str, query: Mapping[str, str], needs_key: bool) -> str:
    asked = f'"{_csv_url(url, query)}"'
    return f'read.csv(url({asked}, headers = c("{KEY}" = "KEY")))' if needs_key else f"read.csv({asked})"


def _python(url: str, query: Mapping[str, str], needs_key: bool) -> str:
    key = f', headers={{"{KEY}": "KEY"}}' if needs_key else ""
    return f"""\
import requests

query = {json.dumps(query, indent=4, ensure_ascii=False)}
answer = requests.get("{url}", params=query{key})
print(answer.json())"""


def _javascript(url: str, query: Mapping[str, str], needs_key: bool) -> str:
    key = f', {{headers: {{"{KEY}": "KEY"}}}}' if needs_key else ""
    pairs = "".join(f"\n    {json.dumps(pair, ensure_ascii=False)}," for pair in query.items())  # may be "__proto__"
    return f"""\
const query = new URLSearchParams([{pairs}
])
const answer = await fetch("{url}?" + query{key})
console.log(await answer.json())"""


def _excel(url: str, query: Mapping[str, str]) -> str:
    """Write a formula that is the fit, as a number; or the whole answer as text, where the fit stands not alone."""
    alone = {name: text for name, text in query.items() if name not in ("interval", "level")}
    answer = f"WEBSERVICE({_in_formula(_csv_url(url, alone))})"
    if query.get("extrapolation") == "flag":
        return f"={answer}"
    return f'=NUMBERVALUE(CLEAN(MID({answer},{len(FIT_COLUMN) + 1},40)),".")'


def _in_formula(text: str) -> str:
    parts = [text[start : start + MOST_IN_TEXT] for start in range(0, len(text), MOST_IN_TEXT)]
    return "&".join(f'"{part}"' for part in parts)
