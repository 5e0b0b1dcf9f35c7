"""All that can go wrong, as exceptions.

LmError
├── TrainingError           nothing was published
│   ├── NotPublished
│   └── TookTooLong
├── DataError               bytes are not a table
├── Fault                   a part of large data can't be worked on
├── RError              422   R refused
│   └── UnseenLevels
├── NotStarted          503  R can't
├── Unknown             404
│   ├── UnknownModel
│   ├── UnknownVersion
│   ├── UnknownKey
│   ├── UnknownFile
│   └── UnknownPlot
├── NotTrained          503
├── Unreachable         503
├── Damaged             503
├── TimedOut            503
├── Busy                503
├── ClientGone          400
└── RequestError
    ├── BadSyntax             400
    ├── LengthRequired        411
    ├── PreconditionFailed    412
    ├── ContentTooLarge       413
    ├── UnsupportedMediaType  415
    ├── UnsupportedCoding     415
    └── InvalidObservations   422

Over HTTP, ml_api/api.py makes each a problem document with its status; on the command line, scripts/ print each as
one line.
"""

from collections.abc import Iterable
from typing import Any, ClassVar


class LmError(Exception):
    """One line: what is wrong, what is allowed, what to do."""

    status: ClassVar[int] = 500
    errors: list[dict[str, Any]] | None = None
    """Each error of a request, where there may be several."""
    headers: ClassVar[dict[str, str]] = {}
    """Of the answer."""


class TrainingError(LmError):
    """A model could not be trained or published; the live version is as it was."""


class NotPublished(TrainingError):
    """The gate objects to a candidate; `report` is training's Report of it."""

    def __init__(self, message: str, report: Any) -> None:
        super().__init__(message)
        self.report = report


class TookTooLong(TrainingError):
    """A fit was longer than allowed; R goes on with it, so that this process is of no use any more."""


class DataError(LmError):
    """Bytes are not a table that can be read."""


class Fault(LmError):
    """A part of large data can't be worked on, and could not if it were tried again."""


class RError(LmError):
    """R stopped; the text is R's own, or that of our .R files."""

    status = 422


class NotStarted(LmError):
    """There is no R in this process, as it can't start."""

    status = 503

    def __init__(self) -> None:
        super().__init__("R can't start, the log says why; can it write to its temporary folder (TMPDIR)?")


class UnseenLevels(RError):
    """R refused values of which the formula makes levels that the fit has not seen, such as a month."""

    def __init__(self, message: str, levels: list[dict[str, Any]]) -> None:
        """Keep what unseen_levels() in fast_predict.R found."""
        super().__init__(message)
        self.levels = levels


class Unknown(LmError):
    """Nothing has this name; the text lists the names that there are."""

    status = 404
    kind: ClassVar[str]
    none: ClassVar[str] = "none"

    def __init__(self, name: str, names: Iterable[str]) -> None:
        super().__init__(f"There is no {self.kind} {name!r}; there are: {', '.join(names) or self.none}.")


class UnknownModel(Unknown):
    """There is no such model."""

    kind = "model"
    none = "none, as LM_MODELS_DIR names no folder that holds any"


class UnknownVersion(Unknown):
    """The model keeps no version of this name, and has no such label."""

    kind = "version"


class UnknownKey(Unknown):
    """The model's information has no such key."""

    kind = "key"


class UnknownFile(Unknown):
    """The version was trained before there was such a file."""

    kind = "file of this version, trained by an older release,"


class UnknownPlot(Unknown):
    """The model has no such plot."""

    kind = "plot"


class NotTrained(LmError):
    """The model has no version that can be served."""

    status = 503

    def __init__(self, name: str, damage: Exception | None = None) -> None:
        """Say why the live version can't be, where there is one."""
        why, remedy = (f": {damage}", "mend that, or train it anew") if damage else ("", "train it")
        super().__init__(
            f"Model {name!r} has no version that can be served{why}; "
            f"{remedy}: python manage.py runscript update_lm --script-args {name}"
        )


class Unreachable(LmError):
    """The folder of the models can't be read now, so that nobody knows which there are."""

    status = 503

    def __init__(self) -> None:
        super().__init__("The models can't be reached: LM_MODELS_DIR names no folder that holds any; try again later.")


class Damaged(LmError):
    """A version's files are not those that training wrote."""

    status = 503


class TimedOut(LmError):
    """R was not free, or not done, in the time that a prediction may take."""

    status = 503
    headers: ClassVar = {"Retry-After": "1"}


class Busy(LmError):
    """The bodies in work have as many bytes together as they may."""

    status = 503
    headers: ClassVar = {"Retry-After": "1"}

    def __init__(self) -> None:
        super().__init__("The server is at work on as many bytes as it takes at once; try again in a second.")


class ClientGone(LmError):
    """Nobody waits for the answer any more, and nobody reads this."""

    status = 400

    def __init__(self) -> None:
        super().__init__("The client went away.")


class RequestError(LmError):
    """A request that can't be answered."""


class BadSyntax(RequestError):
    """The body is not what its content type says."""

    status = 400


class LengthRequired(RequestError):
    """The body comes in chunks, and the server (Django's runserver) does not know where it ends."""

    status = 411

    def __init__(self) -> None:
        super().__init__("Send the body with its Content-Length, not in chunks.")


class PreconditionFailed(RequestError):
    """The live version is none of those that the request's If-Match names."""

    status = 412


class ContentTooLarge(RequestError):
    """The body has more rows or bytes than are allowed."""

    status = 413


class UnsupportedMediaType(RequestError):
    """The body is in a format that is not read."""

    status = 415


class UnsupportedCoding(RequestError):
    """The body is compressed in a way that is not read."""

    status = 415
    headers: ClassVar = {"Accept-Encoding": "gzip, deflate"}

    def __init__(self, coding: str) -> None:
        super().__init__(f"The body's Content-Encoding is {coding}; it must be gzip or deflate, and only one.")


class InvalidObservations(RequestError):
    """The values are not ones that the model can answer for."""

    status = 422

    def __init__(self, detail: str, errors: list[dict[str, Any]] | None = None) -> None:
        super().__init__(detail)
        self.errors = errors
