"""What JSON Schema can't say of our requests, so that Schemathesis does not expect it."""

import io
import json
import re
from typing import Any

import pyarrow
import schemathesis
from pyarrow import ipc, parquet

PARQUET, ARROW = "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"


@schemathesis.serializer("application/x-ndjson", PARQUET, ARROW)
def as_it_is(context: Any, value: Any) -> Any:
    """The body is made below."""
    return value


NUMBER = re.compile(r"\s*[+-]?[0-9.]+(e[+-]?[0-9]+)?\s*", re.IGNORECASE)


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Expect the training ranges to be kept: what flags what is outside of them is tried elsewhere."""
    for value in raw_schema.values():
        for schema in value if isinstance(value, list) else [value]:
            if isinstance(schema, dict):
                before_load_schema(context, schema)
    if "x-minimum" in raw_schema:
        raw_schema.pop("anyOf", None)
        raw_schema |= {
            "type": "number",
            "minimum": raw_schema["x-minimum"],
            "maximum": raw_schema["x-maximum"],
        }


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """No keyword says that columns have one length, or that values are checked unless told otherwise.

    The schemas say what to send, and not what else is taken: numbers as texts, columns as objects (pandas' to_json()).
    """
    if isinstance(case.body, dict):
        lengths = {len(values) for values in case.body.values() if isinstance(values, list)}
        if len(lengths) > 1:
            return False
    if not (case.meta and case.meta.generation.mode.is_negative):
        return True
    query = case.query if isinstance(case.query, dict) else {}
    is_lenient = query.get("extrapolation") == "flag" or query.get("on_error") == "null"
    return not is_lenient and not may_be_taken(case.body)


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
    """No keyword describes what is not JSON: the document's example is sent for any, or what is no table."""
    if case.media_type in ("text/csv", "application/x-ndjson", PARQUET, ARROW):
        content = case.operation.definition.raw["requestBody"]["content"]
        case.body = content.get(case.media_type, {}).get("example")
    if case.media_type in (PARQUET, ARROW):
        table = pyarrow.Table.from_pylist([json.loads(content["application/x-ndjson"]["example"])])
        body = io.BytesIO()
        if case.media_type == PARQUET:
            parquet.write_table(table, body)
        else:
            with ipc.new_stream(body, table.schema) as stream:
                stream.write_table(table)
        invalid = bool(case.meta and case.meta.generation.mode.is_negative)
        case.body = b"no table" if invalid else body.getvalue()
