"""Parse a request: a URL or a body becomes columns of values by the predictors' names.

Names, lengths and sizes are checked here, in shapes.py, json_body.py and csv_body.py; the values are, in check.py.
"""

from collections.abc import Sequence
from urllib.parse import parse_qs

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.http import HttpRequest
from pydantic import ValidationError

from lm_app.errors import ContentTooLarge, InvalidObservations, LengthRequired, UnsupportedMediaType
from lm_app.predict.csv_body import read_csv
from lm_app.predict.json_body import read_json
from lm_app.predict.names import check_names, check_unknown
from lm_app.predict.question import DEFAULTS, Columns, Errors, Frame, Question, Source
from lm_app.predict.size import check_marks
from lm_app.predictors import Predictor, is_single_number, names_of
from lm_app.schemas import OPTION_NAMES, Options


def single_value(text: str, predictors: Sequence[Predictor]) -> Question:
    """Parse the value in the path, for a model with one numeric predictor. Raises InvalidObservations."""
    if not is_single_number(predictors):
        names = ", ".join(names_of(predictors))
        raise InvalidObservations(f"This model does not predict from one number; give its predictors by name: {names}.")
    return Question(Frame(Source.PATH, {predictors[0].name: [text]}, 1))


def query(request: HttpRequest, predictors: Sequence[Predictor]) -> Question:
    """Parse the options and the one observation of a query string. Raises InvalidObservations, TooManyFieldsSent."""
    if clash := OPTION_NAMES & set(names_of(predictors)):
        raise InvalidObservations(f"{', '.join(clash)}: a predictor and an option; ask this model by POST.")
    errors = Errors()
    values = _query_values(request)
    options = _options(values, errors)
    columns: Columns = {name: texts for name, texts in values.items() if name not in OPTION_NAMES}
    check_names(columns, predictors, ["query"], errors)
    check_unknown(columns, predictors, errors)
    return Question(Frame(Source.QUERY, columns, 1), options, errors=errors)


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
    for name in values.keys() - OPTION_NAMES:
        errors.add(["query", name], f"{name!r} is no option; there are: {', '.join(Options.model_fields)}.")
    if request.content_type == "text/csv":
        charset = (request.content_params or {}).get("charset")
        frame = read_csv(content, charset, predictors, errors, options)
    else:
        frame = read_json(content, predictors, errors, options)
    return Question(frame, options, _prefers_csv(request), errors)


def _query_values(request: HttpRequest) -> dict[str, list[str]]:
    """Parse the query string as Django does, but without its QueryDict, which takes longer than R."""
    text = request.META["QUERY_STRING"]
    if not text.isascii():
        text = text.encode("latin-1").decode(errors="replace")
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=settings.DATA_UPLOAD_MAX_NUMBER_FIELDS)
    except ValueError:
        raise TooManyFieldsSent from None


def _options(query: dict[str, list[str]], errors: Errors) -> Options:
    for name, values in query.items():
        if len(values) > 1:
            errors.add(["query", name], f"{name} is given more than once.", values)
    requested = {name: query[name][-1] for name in Options.model_fields if name in query}
    if not requested:
        return DEFAULTS
    try:
        return Options.model_validate(requested)
    except ValidationError as error:
        for wrong in error.errors():
            name = str(wrong["loc"][0])
            value = wrong["input"]
            errors.add(["query", name], f"{name} is {value!r}; it must be {Options.allowed(name)}.", value)
        return DEFAULTS


def _prefers_csv(request: HttpRequest) -> bool:
    if "text/" not in request.META.get("HTTP_ACCEPT", ""):  # by far the most; Django needs some 10 us to find out
        return False
    return request.get_preferred_type(["application/json", "text/csv"]) == "text/csv"
