"""Parse a body of JSON records, one in each line."""

from collections.abc import Sequence

import orjson

from lm_app.errors import BadSyntax
from lm_app.predict.json_body import read_json
from lm_app.predict.question import Errors, Frame
from lm_app.predictors import Predictor
from lm_app.schemas import Options


def read_lines(content: bytes, predictors: Sequence[Predictor], errors: Errors, options: Options) -> Frame:
    """Parse the lines as a list of records; raises BadSyntax, InvalidObservations or ContentTooLarge."""
    lines = content.splitlines()
    records = list(filter(None, map(bytes.strip, lines)))
    try:
        frame = read_json(b"".join([b"[", b",".join(records), b"]"]), predictors, errors, options)
    except BadSyntax:
        _raise_for_a_bad(lines)
        raise
    if frame.rows != len(records):
        _raise_for_a_bad(lines)
    return frame


def _raise_for_a_bad(lines: Sequence[bytes]) -> None:
    """Raise BadSyntax for the first line that is not JSON; there is none where a record is nested too deeply."""
    for number, line in enumerate(lines, start=1):
        try:
            orjson.loads(line.strip() or b"null")
        except orjson.JSONDecodeError as error:
            raise BadSyntax(f"Line {number} of the body is not JSON: {error}.") from None
