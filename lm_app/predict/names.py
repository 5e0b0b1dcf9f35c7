"""The columns of a request: their names and their number."""

from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import islice

from django.conf import settings

from lm_app.errors import ContentTooLarge
from lm_app.predict.question import MAX_ERRORS, Errors, short
from lm_app.predictors import Predictor, names_of
from lm_app.schemas import Options

LISTED = 10
"""Of more columns that are ignored, a warning names some."""
COMPARED = 50
"""Of more names that are no predictors, the first are compared with one that is missing."""


def check_repeated(names: Sequence[str], where: str, errors: Errors) -> None:
    """Record names that stand there twice."""
    for name, times in Counter(names).items():
        if times > 1:
            errors.add(["body", name], f"{name} is given more than once{where}.")


def check_names(
    found: Iterable[str], predictors: Sequence[Predictor], loc: Sequence[str | int], errors: Errors
) -> None:
    """Record predictors that are missing."""
    names = names_of(predictors)
    row = f"row {loc[1]}: " if len(loc) > 1 else ""
    for name in names:
        if name not in found:
            msg = f"{row}{name} is missing; the predictors are: {', '.join(names)}."
            errors.add([*loc, name], msg + (_similar(name, found, names) if errors.count < MAX_ERRORS else ""))


def check_unknown(
    found: Iterable[str], predictors: Sequence[Predictor], loc: Sequence[str | int], errors: Errors
) -> None:
    """Record names in a URL or a form that are no predictors: who mistypes an option would else get another answer."""
    names = names_of(predictors)
    for name in found:
        if name not in names:
            known = f"predictors are: {', '.join(names)}; options are: {', '.join(Options.model_fields)}"
            errors.add([*loc, name], f"{name!r} is neither a predictor of this model nor an option; {known}.")


def check_size(rows: int, errors: Errors) -> None:
    """Record that there are no observations; raises ContentTooLarge where there are too many."""
    if rows > settings.LM_MAX_ROWS:
        raise ContentTooLarge(f"There are {rows} observations; send at most {settings.LM_MAX_ROWS} at once.")
    if rows == 0:
        errors.add(["body"], "There are no observations; send at least one.")


def ignored_warning(names: Sequence[str]) -> str:
    """Tell of columns that are no predictors. It may stand in a header, so that control characters are escaped."""
    listed = [short(name) if name.isprintable() else short(repr(name)) for name in names[:LISTED]]
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    said = "no predictor of this model; it is" if len(names) == 1 else "no predictors of this model; they are"
    return f"{', '.join(listed)}{more}: {said} ignored."


def _similar(name: str, found: Iterable[str], names: Sequence[str]) -> str:
    """Suggest the name that may be meant, in any case of its letters."""
    others = {other.lower(): other for other in islice((other for other in found if other not in names), COMPARED)}
    close = get_close_matches(name.lower(), others, 1)
    return f" Is it {others[close[0]]!r}?" if close else ""
