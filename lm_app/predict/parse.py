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

from lm_app.data.files import INSTALL
from lm_app.errors import InvalidObservations, UnsupportedMediaType
from lm_app.predict import columnar_out
from lm_app.predict.body import CSV, FORM, JSON, LINES, MULTIPART, Body, is_read, read_body
from lm_app.predict.columnar import read_columnar
from lm_app.predict.csv_body import read_csv
from lm_app.predict.json_body import read_json
from lm_app.predict.lines_body import read_lines
from lm_app.predict.names import check_names, check_unknown
from lm_app.predict.question import DEFAULTS, Columns, Errors, Frame, Question, Source
from lm_app.predict.size import check_marks
from lm_app.predictors import Predictor, is_single_number, names_of
from lm_app.schemas import OPTION_NAMES, QUERY_NAMES, VERSION_PARAMETER, Format, Options

TYPES: dict[str, Format] = {JSON: "json", CSV: "csv"}
"""The formats of an answer by what Accept calls them."""

FORMS = (FORM, MULTIPART)
Fields = Mapping[str, list[str]]
"""The values of a query or a form, by their names."""


def single_value(request: HttpRequest, text: str, predictors: Sequence[Predictor]) -> Question:
    """Parse the value in the path, for a model with one numeric predictor, and the options, where there are any.

    Raises InvalidObservations, TooManyFieldsSent.
    """
    if not is_single_number(predictors):
        names = ", ".join(names_of(predictors))
        raise InvalidObservations(f"This model does not predict from one number; give its predictors by name: {names}.")
    frame = Frame(Source.PATH, {predictors[0].name: [text]}, 1)
    if not request.META["QUERY_STRING"]:
        return Question(frame, format=_accepted(request))
    values, errors = _query_values(request), Errors()
    options = _options(values, errors)
    _check_option_names("query", values, errors)
    question = _question(request, frame, options, errors)
    if options.model_copy(update={"format": "json"}) == DEFAULTS:  # generated clients send the defaults, too
        question.options = DEFAULTS
    return question


def query(request: HttpRequest, predictors: Sequence[Predictor]) -> Question:
    """Parse the options and the one observation of a query string. Raises InvalidObservations, TooManyFieldsSent."""
    question = fields(_query_values(request), predictors)
    return _question(request, question.frame, question.options, question.errors)


def fields(values: Fields, predictors: Sequence[Predictor]) -> Question:
    """Parse the options and the one observation of a query that is split. Raises InvalidObservations."""
    _check_no_clash(predictors, QUERY_NAMES)
    errors = Errors()
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
    _check_option_names("query", values, errors)
    if sent.kind in FORMS:
        _check_no_clash(predictors, OPTION_NAMES)
        sent_fields = sent.fields if sent.kind == MULTIPART else _form_values(sent.content)
        options = _options(values, errors, sent_fields)
        frame = _one(Source.FORM, sent_fields, predictors, errors)
    else:
        _check_option_names("body", sent.fields, errors)
        options = _options(values, errors, sent.fields)
        frame = _frame(sent, request, predictors, errors, options)
    return _question(request, frame, options, errors)


def _question(request: HttpRequest, frame: Frame, options: Options, errors: Errors) -> Question:
    if options.augment and not frame.source.has_rows and not frame.given:
        frame = frame._replace(given=frame.columns)
    if "format" not in options.model_fields_set:
        return Question(frame, options, _accepted(request), errors)
    if not is_read(columnar_out.TYPES.get(options.format, JSON)):
        msg = f"format is {options.format!r}; this server can write 'json' and 'csv', and that with pyarrow: {INSTALL}."
        errors.add(["query", "format"], msg, options.format)
    return Question(frame, options, options.format, errors)


def _frame(
    sent: Body, request: HttpRequest, predictors: Sequence[Predictor], errors: Errors, options: Options
) -> Frame:
    if sent.kind == JSON:
        return read_json(sent.content, predictors, errors, options)
    if sent.kind == CSV:
        return read_csv(sent.content, sent.charset, predictors, errors, options)
    if sent.kind == LINES:
        return read_lines(sent.content, predictors, errors, options)
    return read_columnar(sent, request, predictors, errors, options)


def _one(source: Source, values: Fields, predictors: Sequence[Predictor], errors: Errors) -> Frame:
    """Take the one observation of a query string or a form, whose values are texts."""
    columns: Columns = {name: texts for name, texts in values.items() if name not in OPTION_NAMES}
    part = ["query" if source is Source.QUERY else "body"]
    check_names(columns, predictors, part, errors)
    check_unknown(columns, predictors, part, errors)
    return Frame(source, columns, 1)


def _check_no_clash(predictors: Sequence[Predictor], options: frozenset[str]) -> None:
    if clash := options & set(names_of(predictors)):
        raise InvalidObservations(f"{', '.join(clash)}: a predictor and an option; ask this model by POST, in JSON.")


def _query_values(request: HttpRequest) -> dict[str, list[str]]:
    """Parse the query string, but for the version, which was found before."""
    values = query_values(request)
    values.pop(VERSION_PARAMETER, None)
    return values


def query_values(request: HttpRequest) -> dict[str, list[str]]:
    """Parse the query string as Django does, but without its QueryDict, which takes longer than R.

    Raises TooManyFieldsSent.
    """
    text = request.META["QUERY_STRING"]
    if not text.isascii():
        text = text.encode("latin-1").decode(errors="replace")
    return _values(text)


def _values(text: str) -> dict[str, list[str]]:
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=settings.DATA_UPLOAD_MAX_NUMBER_FIELDS)
    except ValueError:
        raise TooManyFieldsSent from None


def _check_option_names(part: str, values: Mapping[str, list[str]], errors: Errors) -> None:
    for name in values.keys() - OPTION_NAMES:
        errors.add([part, name], f"{name!r} is no option; there are: {', '.join(Options.model_fields)}.")


def _form_values(content: bytes) -> dict[str, list[str]]:
    """Parse a form as a query string. What curl sends of other data where it is not told their type is none."""
    text = content.decode(errors="replace").strip()
    if text.startswith(("{", "[")) or "\n" in text:
        kind = CSV if text[0] not in "{[" else JSON
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
    requested = {name: values[-1] for name, values in given.items() if name in OPTION_NAMES}
    if not requested:
        return DEFAULTS
    try:
        options = Options.model_validate(requested)
        errors.spares_rows = options.on_error == "null"
        return options
    except ValidationError as error:
        for wrong in error.errors():
            name = str(wrong["loc"][0])
            value = wrong["input"]
            errors.add([_part(name, fields), name], f"{name} is {value!r}; it must be {Options.allowed(name)}.", value)
        return DEFAULTS


def _accepted(request: HttpRequest) -> Format:
    """Choose the format that Accept prefers; JSON where it admits none that there is."""
    accept = request.META.get("HTTP_ACCEPT", "")
    if "text/" not in accept and "/vnd.apache." not in accept:  # by far the most; Django needs some 10 us to find out
        return "json"
    formats = TYPES | {media_type: kind for kind, media_type in columnar_out.TYPES.items() if is_read(media_type)}
    return formats.get(request.get_preferred_type(list(formats)) or "", "json")


def _part(name: str, fields: Fields) -> str:
    return "body" if name in fields else "query"
