"""What the log says of a predictor's values, predictors read again as the same numbers."""

from array import array
from collections.abc import Sequence
from datetime import date, datetime

from hypothesis import example, given
from hypothesis import strategies as st

from lm_app.predictors import Date, DateTime, Factor, Logical, Numeric, Predictor

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
LEVELS = st.lists(st.text(min_size=1), min_size=1, unique=True)
OFFSETS = st.sampled_from(["", "Z", "+05:30", "-11:00"])
TIMES = st.builds(
    "{0:%H:%M:%S}{1}{2}".format,
    st.times(),
    st.from_regex(r"(\.[0-9]{1,9})?", fullmatch=True, alphabet="0123456789."),
    OFFSETS,
)
MOMENTS = st.builds("{}T{}".format, st.dates(date(1, 1, 2), date(9999, 12, 30)).map(date.isoformat), TIMES)


def assert_comes_back(predictor: Predictor, values: Sequence[object]) -> Sequence[object]:
    numbers = array("d", predictor.from_json(values) or [])
    assert len(numbers) == len(values)
    written = predictor.to_json(numbers)
    assert array("d", predictor.from_json(written) or []).tobytes() == numbers.tobytes()
    return written


@given(st.lists(NUMBERS | st.integers(-(2**53), 2**53), min_size=1))
@example([-0.0, 5e-324, 0.1 + 0.2])
def test_numbers(values: list[float]) -> None:
    assert assert_comes_back(Numeric("x", None, 0, 1), values) == values


@given(LEVELS.flatmap(lambda levels: st.tuples(st.just(levels), st.lists(st.sampled_from(levels), min_size=1))))
def test_levels(levels_and_values: tuple[list[str], list[str]]) -> None:
    levels, values = levels_and_values
    assert assert_comes_back(Factor("x", None, levels), values) == values


@given(st.lists(st.booleans(), min_size=1))
def test_logicals(values: list[bool]) -> None:
    written = assert_comes_back(Logical("x", None), values)
    assert [value is True for value in written] == values


@given(st.lists(st.dates().map(date.isoformat), min_size=1))
def test_dates(values: list[str]) -> None:
    assert assert_comes_back(Date("x", None, "2024-01-01", "2024-12-31"), values) == values


@given(st.lists(MOMENTS, min_size=1))
@example(["0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z"])
@example(["1970-02-20T01:02:03.987654321Z", "1970-03-31T01:02:03.123456789Z", "1970-06-01T00:00:00.999999999Z"])
def test_times(values: list[str]) -> None:
    written = assert_comes_back(DateTime("x", None, "2024-01-01T00:00:00Z", "2024-12-31T00:00:00Z"), values)
    assert all(str(text).endswith("Z") for text in written)


@given(st.lists(st.datetimes().map(datetime.isoformat), min_size=1))
def test_times_of_today_are_written_as_they_were_sent(values: list[str]) -> None:
    recent = [f"2026{value[4:]}".replace("-02-29", "-02-28").partition(".")[0] + "Z" for value in values]
    assert assert_comes_back(DateTime("x", None, "2024-01-01T00:00:00Z", "2024-12-31T00:00:00Z"), recent) == recent
