"""How many digits are right of many rows: NIST's data, repeated, by ours in parts and by others."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks import fits
from benchmarks.bench import Bench, Findings
from benchmarks.report import Table
from benchmarks.servers import HERE, ROOT, Failed
from lm_app.scale.options import missing

ROWS, PARTS = 1_000_000, 50


def measure(bench: Bench) -> Findings:
    """The right digits of the coefficients of each data set, by each that can be had here."""
    if why := missing():
        raise Failed(why)
    listed = subprocess.run(["Rscript", str(HERE / "nist.R")], cwd=ROOT, capture_output=True, check=True, text=True)
    sets: dict[str, Any] = json.loads(listed.stdout)
    found: dict[str, list[str]] = {}
    for name, told in sets.items():
        data = repeated(bench.folder / name, told["columns"])
        model = name.lower()
        fits.run(data.train(model, "--part-size", "1K", "--workers", "2"), bench.models)
        manifest = json.loads(next((bench.models / model / "versions").glob("*/manifest.json")).read_text())
        if (parts := manifest["data"]["parts"]["number"]) != PARTS:
            raise Failed(f"{name} is in {parts} parts, not {PARTS}")
        estimates = {fits.OURS: fits.coefficients(bench.models, model)}
        for who, command in data.others().items():
            estimates[who] = fits.printed(fits.run(command, bench.models))
        for who, values in estimates.items():
            found.setdefault(who, []).append(fits.digits(values, told["certified"]))
        print(f"{name}: {', '.join(f'{who} {digits[-1]}' for who, digits in found.items())}", file=sys.stderr)
    yield Table(
        f"Right digits of the worst coefficient: NIST's data repeated to some {ROWS:,} rows, in {PARTS} parts",
        ["what", *sets],
        [[who, *digits] for who, digits in found.items()],
    )


def repeated(folder: Path, columns: dict[str, list[float]]) -> fits.Data:
    """Write the rows of a data set again and again, as Parquet and as CSV."""
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    few = pyarrow.table({name: pyarrow.array(values, pyarrow.float64()) for name, values in columns.items()})
    many = pyarrow.concat_tables([few] * (ROWS // few.num_rows)).combine_chunks()  # whole times only
    folder.mkdir()
    pyarrow.parquet.write_table(many, folder / "all.parquet", row_group_size=-(-many.num_rows // PARTS))
    csv = folder.with_suffix(".csv")
    pyarrow.csv.write_csv(many, csv)
    return fits.Data(folder, csv, "y", [name for name in columns if name != "y"])
