"""Parse a request: a URL or a body becomes columns of values by the predictors' names.

Names, lengths and sizes are checked here and by the reader of each format; the values are, in check.py.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from urllib.parse import parse_qs

from django.conf import settings
from django.core.exceptions import TooManyFieldsSent
from django.http import HttpRequest
from pydantic import ValidationError

from lm_app.errors import InvalidObservations, UnsupportedMediaType
from lm_app.predict.body import CSV, FORM, JSON, LINES, MULTIPART, Body, read_body
from lm_app.predict.columnar import read_columnar
from lm_app.predict.csv_body import read_csv
from lm_app.predict.json_body import read_json
from lm_app.predict.lines_body import read_lines
from lm_app.predict.names import check_names
from lm_app.predict.question import DEFAULTS, Columns, Errors, Frame, Question, Source
from lm_app.predict.size import check_marks
from lm_app.predictors import Predictor, is_single_number, names_of
from lm_app.schemas import OPTION_NAMES, Options

FORMS = (FORM, MULTIPART)
Fields = Mapping[str, list[str]]
"""The values of a query or a form, by their names."""


def single_value(text: str, predictors: Sequence[Predictor]) -> Question:
    """Parse the value in the path, for a model with one numeric predictor. Raises InvalidObservations."""
    if not is_single_number(predictors):
        names = ", ".join(names_of(predictors))
        raise InvalidObservations(f"This model does not predict from one number; give its predictors by name: {names}.")
    return Question(Frame(Source.PATH, {predictors[0].name: [text]}, 1))


def query(request: HttpRequest, predictors: Sequence[Predictor]) -> Question:
    """Parse the options and the one observation of a query string. Raises InvalidObservations, TooManyFieldsSent."""
    _check_no_clash(predictors)
    errors = Errors()
    values = _query_values(request)
    options = _options(values, errors)
    return Question(_one(Source.QUERY, values, predictors, errors), options, errors=errors)


def body(request: HttpRequest, predictors: Sequence[Predictor]) -> Question:
    """Parse the options, and the observations of the body.

    Raises what read_body() raises, InvalidObservations or TooManyFieldsSent.
    """
    sent = read_body(request)
    check_marks(sent.content, sent.kind, predictors)
    errors = Errors()
    values = _query_values(request)
    for name in values.keys() - OPTION_NAMES:
        errors.add(["query", name], f"{name!r} is no option; there are: {', '.join(Options.model_fields)}.")
    if sent.kind in FORMS:
        _check_no_clash(predictors)
        fields = sent.fields if sent.kind == MULTIPART else _form_values(sent.content)
        options = _options(values, errors, fields)
        frame = _one(Source.FORM, fields, predictors, errors)
    else:
        for name in sent.fields.keys() - OPTION_NAMES:
            errors.add(["body", name], f"{name!r} is no option; there are: {', '.join(Options.model_fields)}.")
        options = _options(values, errors, sent.fields)
        frame = _frame(sent, request, predictors, errors)
    return Question(frame, options, _prefers_csv(request), errors)


def _frame(sent: Body, request: HttpRequest, predictors: Sequence[Predictor], errors: Errors) -> Frame:
    if sent.kind == JSON:
        return read_json(sent.content, predictors, errors)
    if sent.kind == CSV:
        return read_csv(sent.content, sent.charset, predictors, errors)
    if sent.kind == LINES:
        return read_lines(sent.content, predictors, errors)
    return read_columnar(sent, request, predictors, errors)


def _one(source: Source, values: Fields, predictors: Sequence[Predictor], errors: Errors) -> Frame:
    """Take the one observation of a query string or a form, whose values are texts."""
    columns: Columns = {name: texts for name, texts in values.items() if name not in OPTION_NAMES}
    check_names(columns, predictors, ["query" if source is Source.QUERY else "body"], errors)
    return Frame(source, columns, 1)


def _check_no_clash(predictors: Sequence[Predictor]) -> None:
    if clash := OPTION_NAMES & set(names_of(predictors)):
        raise InvalidObservations(f"{', '.join(clash)}: a predictor and an option; ask this model by POST, in JSON.")


def _query_values(request: HttpRequest) -> dict[str, list[str]]:
    """Parse the query string as Django does, but without its QueryDict, which takes longer than R."""
    text = request.META["QUERY_STRING"]
    if not text.isascii():
        text = text.encode("latin-1").decode(errors="replace")
    return _values(text)


def _values(text: str) -> dict[str, list[str]]:
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=settings.DATA_UPLOAD_MAX_NUMBER_FIELDS)
    except ValueError:
        raise TooManyFieldsSent from None


def _form_values(content: bytes) -> dict[str, list[str]]:
    """Parse a form as a query string. What curl sends of other data where it is not told their type is none."""
    text = content.decode(errors="replace").strip()
    if text.startswith(("{", "[")) or "\n" in text:
        kind = "text/csv" if text[0] not in "{[" else "application/json"
        raise UnsupportedMediaType(f"The body is not {FORM}; is it {kind}? Send that as its Content-Type.")
    return _values(text)


def _options(query: Fields, errors: Errors, fields: Fields = MappingProxyType({})) -> Options:
    """Read the options of the query and of a form's fields."""
    given = query
    if fields:
        given = {name: [*query.get(name, []), *fields.get(name, [])] for name in {**query, **fields}}
    for name, values in given.items():
        if len(values) > 1:
            errors.add([_part(name, fields), name], f"{name} is given more than once.", values)
    requested = {name: given[name][-1] for name in Options.model_fields if name in given}
    if not requested:
        return DEFAULTS
    try:
        return Options.model_validate(requested)
    except ValidationError as error:
        for wrong in error.errors():
            name = str(wrong["loc"][0])
            value = wrong["input"]
            errors.add([_part(name, fields), name], f"{name} is {value!r}; it must be {Options.allowed(name)}.", value)
        return DEFAULTS


def _part(name: str, fields: Fields) -> str:
    return "body" if name in fields else "query"


def _prefers_csv(request: HttpRequest) -> bool:
    if "text/" not in request.META.get("HTTP_ACCEPT", ""):  # by far the most; Django needs some 10 us to find out
        return False
    return request.get_preferred_type(["application/json", "text/csv"]) == "text/csv"
