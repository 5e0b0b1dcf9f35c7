"""Measure ours and the peers, side by side: `make bench`, or python -m benchmarks.run [PART ...]

Prints the results; where all parts were measured, writes them to benchmarks/RESULTS.md as well.

    parts/                what is measured, and against what
    bench.py              what the parts share
    servers.py            the processes that are measured, and what asks them; wrk.lua
    models.py             models, observations, and R's own answers; expected.R
    report.py             the results as Markdown
    settings.py, urls.py  our server, and two empty routes in it; silent.conf.py, without a log of requests
    fits.py, nist.R       least squares by ours and by others; data of many right digits
    floor.py, bare.py     the least time that a batch takes, and the least memory
    peers/                the other servers; requirements.txt
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import models, parts, report
from benchmarks.bench import Bench
from benchmarks.servers import HERE, Failed


def main() -> None:
    """Measure the parts; SystemExit with one line where an answer is wrong or a server fails."""
    parser = argparse.ArgumentParser("benchmarks.run", description="Measure ours and the peers, side by side.")
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"{', '.join(parts.ALL)} (default: all), or soak, scale, digits, page"
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured, in turns")
    parser.add_argument("--seconds", type=int, default=3, help="how long each time")
    given = parser.parse_args()
    known = parts.ALL | parts.ON_REQUEST
    if unknown := set(given.parts) - known.keys():
        parser.error(f"there is no part {', '.join(unknown)}; there are: {', '.join(known)}")
    load = os.getloadavg()[0]
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            os.environ["TMPDIR"] = folder  # a killed R leaves its folder behind
            where = Path(folder)
            models_folder = where / "models"
            bench = Bench(
                where, given.rounds, given.seconds, models.time_by_distance(models_folder), models.of_ten(models_folder)
            )
            findings = [finding for name in given.parts or parts.ALL for finding in known[name](bench)]
    except (Failed, subprocess.CalledProcessError) as failure:
        sys.exit(f"benchmarks.run: {failure}")
    results = report.text(findings, given.rounds, given.seconds, load)
    print(results)
    if not given.parts:
        (HERE / "RESULTS.md").write_text(results, encoding="utf-8")


if __name__ == "__main__":
    main()
