"""What JSON Schema can't say of our requests, so that Schemathesis does not expect it."""

import re
from typing import Any

import schemathesis

NUMBER = re.compile(r"\s*[+-]?[0-9.]+(e[+-]?[0-9]+)?\s*", re.IGNORECASE)


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """No keyword says that columns have one length, or that a range holds unless extrapolation=flag.

    The schemas say what to send, and not what else is taken: numbers as texts, columns as objects (pandas' to_json()).
    """
    if isinstance(case.body, dict):
        lengths = {len(values) for values in case.body.values() if isinstance(values, list)}
        if len(lengths) > 1:
            return False
    if not (case.meta and case.meta.generation.mode.is_negative):
        return True
    flags = isinstance(case.query, dict) and case.query.get("extrapolation") == "flag"
    return not flags and not may_be_taken(case.body)


def may_be_taken(body: Any) -> bool:
    """May a body be taken that is not as its schema?"""
    if isinstance(body, str):
        return bool(NUMBER.fullmatch(body))
    if isinstance(body, dict):
        values = list(body.values())
        return any(isinstance(value, dict) and value for value in values) or any(map(may_be_taken, values))
    return isinstance(body, list) and any(map(may_be_taken, body))


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """No keyword describes the text of a CSV: the document's example is sent for any text."""
    if case.media_type == "text/csv":
        case.body = case.operation.definition.raw["requestBody"]["content"]["text/csv"]["example"]
