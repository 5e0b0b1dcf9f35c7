"""Write predictions as Arrow's stream and as Parquet, where pyarrow is installed."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from lm_app.predict.body import ARROW, PARQUET
from lm_app.predict.question import PREDICTED, as_text
from lm_app.schemas import Format

TYPES: dict[Format, str] = {"arrow": ARROW, "parquet": PARQUET}


def write(kind: Format, columns: Mapping[str, Sequence[Any]], head: Mapping[str, Any]) -> bytes:
    """Write columns; `head` becomes the schema's metadata: texts as they are, all else as JSON."""
    import pyarrow
    from pyarrow import parquet

    arrays = {name: _array(name, values, pyarrow) for name, values in columns.items()}
    metadata = {name: value if isinstance(value, str) else orjson.dumps(value) for name, value in head.items()}
    table = pyarrow.table(arrays).replace_schema_metadata(metadata)
    out = io.BytesIO()
    if kind == "parquet":
        parquet.write_table(table, out)
    else:
        with pyarrow.ipc.new_stream(out, table.schema) as stream:
            stream.write_table(table)
    return out.getvalue()


def _array(name: str, values: Sequence[Any], pyarrow: Any) -> Any:
    """Give a column its type; what was sent is text where it has no other that all its values share."""
    if name in PREDICTED:
        return pyarrow.array(values, pyarrow.bool_() if name == "extrapolated" else pyarrow.float64())
    try:
        return pyarrow.array(values)
    except pyarrow.ArrowException:
        return pyarrow.array([None if value is None else as_text(value) for value in values], pyarrow.string())
