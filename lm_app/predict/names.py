"""The columns of a request: their names and their number."""

from collections import Counter
from collections.abc import Iterable, Sequence

from django.conf import settings

from lm_app.errors import ContentTooLarge
from lm_app.predict.question import Errors
from lm_app.predictors import Predictor, names_of


def check_repeated(names: Sequence[str], where: str, errors: Errors) -> None:
    """Record names that stand there twice."""
    for name, times in Counter(names).items():
        if times > 1:
            errors.add(["body", name], f"{name} is given more than once{where}.")


def check_names(
    found: Iterable[str], predictors: Sequence[Predictor], loc: Sequence[str | int], errors: Errors
) -> None:
    """Record predictors that are missing, and names that are none."""
    names = names_of(predictors)
    row = f"row {loc[1]}: " if len(loc) > 1 else ""
    for name in names:
        if name not in found:
            errors.add([*loc, name], f"{row}{name} is missing; the predictors are: {', '.join(names)}.")
    for name in found:
        if name not in names:
            errors.add([*loc, name], f"{row}{name!r} is no predictor of this model; they are: {', '.join(names)}.")


def check_size(rows: int, errors: Errors) -> None:
    """Record that there are no observations; raises ContentTooLarge where there are too many."""
    if rows > settings.LM_MAX_ROWS:
        raise ContentTooLarge(f"There are {rows} observations; send at most {settings.LM_MAX_ROWS} at once.")
    if rows == 0:
        errors.add(["body"], "There are no observations; send at least one.")
