"""What can go wrong, as exceptions.

LmError
├── TrainingError           update_lm can't train or publish: one line on stderr, exit status 1
└── RequestError            an HTTP answer: the problem document with this status
    ├── BadSyntax             400
    ├── Unknown               404
    │   ├── UnknownModel
    │   ├── UnknownKey
    │   └── UnknownPlot
    ├── LengthRequired        411
    ├── TooLarge              413
    ├── UnsupportedMediaType  415
    ├── InvalidObservation    422
    └── NotTrained            503

ml_api/api.py turns a RequestError into its answer, scripts/ a TrainingError into its line.
"""

from collections.abc import Iterable
from typing import Any, ClassVar


class LmError(Exception):
    """The text is one line, or for people: what is wrong with what, what is allowed, what to do."""


class TrainingError(LmError):
    """A model could not be trained or published; the live one is as it was.

    `report` is training's Report, where there is one.
    """

    def __init__(self, message: str, report: Any = None) -> None:
        super().__init__(message)
        self.report = report


class RequestError(LmError):
    """A request that can't be answered; `status` and `title` as in RFC 9457."""

    status: ClassVar[int]
    title: ClassVar[str]

    def __init__(self, detail: str, faults: list[dict[str, Any]] | None = None) -> None:
        super().__init__(detail)
        self.faults = faults


class BadSyntax(RequestError):
    """The body is not what its content type says."""

    status = 400
    title = "Bad syntax"


class Unknown(RequestError):
    """There is nothing of this name; the text tells what there is."""

    status = 404
    kind: ClassVar[str]

    def __init__(self, name: str, names: Iterable[str]) -> None:
        super().__init__(f"There is no {self.kind} {name!r}; there are: {', '.join(names)}.")


class UnknownModel(Unknown):
    """There is no such model."""

    title = "Unknown model"
    kind = "model"


class UnknownKey(Unknown):
    """The model's information has no such key."""

    title = "Unknown key"
    kind = "key"


class UnknownPlot(Unknown):
    """The model has no such picture."""

    title = "Unknown plot"
    kind = "plot"


class LengthRequired(RequestError):
    """The body comes in chunks; Django does not read such ones."""

    status = 411
    title = "Length required"

    def __init__(self) -> None:
        super().__init__("Send the body with its Content-Length, not in chunks.")


class TooLarge(RequestError):
    """More rows or bytes than are allowed."""

    status = 413
    title = "Content too large"


class UnsupportedMediaType(RequestError):
    """The body is in a format that is not read."""

    status = 415
    title = "Unsupported media type"

    def __init__(self, content_type: str) -> None:
        super().__init__(f"The body's Content-Type is {content_type}; it must be application/json or text/csv.")


class InvalidObservation(RequestError):
    """The request's values are not ones that the model can answer for."""

    status = 422
    title = "Invalid observation"


class NotTrained(RequestError):
    """The model has no version that can be served."""

    status = 503
    title = "Model not trained"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Model {name!r} has no version that can be served; "
            f"train it: python manage.py runscript update_lm --script-args {name}"
        )
