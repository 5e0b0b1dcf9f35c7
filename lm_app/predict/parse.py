"""Parse a request: a URL or a body becomes columns of values by the predictors' names.

Names, lengths and sizes are checked here, in json_body.py and in csv_body.py; the values are, in check.py.
"""

from collections.abc import Sequence
from urllib.parse import parse_qs

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.http import HttpRequest
from pydantic import ValidationError

from lm_app.data.files import INSTALL
from lm_app.errors import ContentTooLarge, InvalidObservations, LengthRequired, UnsupportedMediaType
from lm_app.predict import columnar_out
from lm_app.predict.csv_body import read_csv
from lm_app.predict.json_body import read_json
from lm_app.predict.names import check_names
from lm_app.predict.question import DEFAULTS, Columns, Errors, Frame, Question, Source
from lm_app.predict.size import check_marks
from lm_app.predictors import Predictor, is_single_number, names_of
from lm_app.schemas import OPTION_NAMES, Format, Options

TYPES: dict[str, Format] = {"application/json": "json", "text/csv": "csv"}
"""The formats of an answer by what Accept calls them."""


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
    _check_option_names(values, errors)
    question = _question(request, frame, values, options, errors)
    if options.model_copy(update={"format": "json"}) == DEFAULTS:  # generated clients send the defaults, too
        question.options = DEFAULTS
    return question


def query(request: HttpRequest, predictors: Sequence[Predictor]) -> Question:
    """Parse the options and the one observation of a query string. Raises InvalidObservations, TooManyFieldsSent."""
    if clash := OPTION_NAMES & set(names_of(predictors)):
        raise InvalidObservations(f"{', '.join(clash)}: a predictor and an option; ask this model by POST.")
    errors = Errors()
    values = _query_values(request)
    options = _options(values, errors)
    columns: Columns = {name: texts for name, texts in values.items() if name not in OPTION_NAMES}
    check_names(columns, predictors, ["query"], errors)
    return _question(request, Frame(Source.QUERY, columns, 1), values, options, errors)


def body(request: HttpRequest, predictors: Sequence[Predictor]) -> Question:
    """Parse the options, and the observations of the body.

    Raises InvalidObservations, BadSyntax, UnsupportedMediaType, ContentTooLarge or LengthRequired.
    """
    if request.content_type not in ("application/json", "text/csv"):
        raise UnsupportedMediaType(request.content_type or "none")
    if "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("wsgi.input_terminated"):
        raise LengthRequired()
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    try:
        content = request.body
    except RequestDataTooBig:
        content = None
    if content is None or len(content) > most:
        raise ContentTooLarge(f"The body has more than {most} bytes; send it in parts.")
    check_marks(content, request.content_type, predictors)
    errors = Errors()
    values = _query_values(request)
    options = _options(values, errors)
    _check_option_names(values, errors)
    if request.content_type == "text/csv":
        charset = (request.content_params or {}).get("charset")
        frame = read_csv(content, charset, predictors, errors)
    else:
        frame = read_json(content, predictors, errors)
    return _question(request, frame, values, options, errors)


def _question(
    request: HttpRequest, frame: Frame, values: dict[str, list[str]], options: Options, errors: Errors
) -> Question:
    if options.augment and not frame.given:
        frame = frame._replace(given=frame.columns)
    if "format" not in values:
        return Question(frame, options, _accepted(request), errors)
    if options.format in columnar_out.TYPES and not columnar_out.is_installed():
        msg = f"format is {options.format!r}; this server can write 'json' and 'csv', and that with pyarrow: {INSTALL}."
        errors.add(["query", "format"], msg, options.format)
    return Question(frame, options, options.format, errors)


def _query_values(request: HttpRequest) -> dict[str, list[str]]:
    """Parse the query string as Django does, but without its QueryDict, which takes longer than R."""
    text = request.META["QUERY_STRING"]
    if not text.isascii():
        text = text.encode("latin-1").decode(errors="replace")
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=settings.DATA_UPLOAD_MAX_NUMBER_FIELDS)
    except ValueError:
        raise TooManyFieldsSent from None


def _check_option_names(values: dict[str, list[str]], errors: Errors) -> None:
    for name in values.keys() - OPTION_NAMES:
        errors.add(["query", name], f"{name!r} is no option; there are: {', '.join(Options.model_fields)}.")


def _options(query: dict[str, list[str]], errors: Errors) -> Options:
    for name, values in query.items():
        if len(values) > 1:
            errors.add(["query", name], f"{name} is given more than once.", values)
    requested = {name: query[name][-1] for name in Options.model_fields if name in query}
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
            errors.add(["query", name], f"{name} is {value!r}; it must be {Options.allowed(name)}.", value)
        return DEFAULTS


def _accepted(request: HttpRequest) -> Format:
    """Choose the format that Accept prefers; JSON where it admits none that there is."""
    accept = request.META.get("HTTP_ACCEPT", "")
    if "text/" not in accept and "/vnd.apache." not in accept:  # by far the most; Django needs some 10 us to find out
        return "json"
    columnar = columnar_out.TYPES if columnar_out.is_installed() else {}
    formats = TYPES | {media_type: kind for kind, media_type in columnar.items()}
    return formats.get(request.get_preferred_type(list(formats)) or "", "json")
