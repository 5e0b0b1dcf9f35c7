"""The main page on a slow phone."""

import shutil
import statistics

from benchmarks.bench import Bench, Findings
from benchmarks.report import Ratio
from benchmarks.servers import Failed

FAST_3G = {"latency": 150, "downloadThroughput": 1.6e6 / 8, "uploadThroughput": 750e3 / 8, "offline": False}


def measure(bench: Bench) -> Findings:
    """The time to the first picture, by Chromium that is told to be a phone: a fourth of the CPU, and fast 3G."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise Failed("playwright must be installed for this: pip install -r requirements-dev.txt") from None
    seconds = []
    with bench.ours() as ours, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), chromium_sandbox=False)
        for _ in range(2 * bench.rounds):
            page = browser.new_page(viewport={"width": 360, "height": 740})
            session = page.context.new_cdp_session(page)
            session.send("Network.enable")
            session.send("Network.emulateNetworkConditions", FAST_3G)
            session.send("Emulation.setCPUThrottlingRate", {"rate": 4})
            page.goto(f"http://127.0.0.1:{ours.port}/lm?model=timedistance")
            page.locator(".panels svg .line").first.wait_for()
            seconds.append(page.evaluate("performance.getEntriesByName('picture')[0].startTime") / 1000)
            page.close()
        browser.close()
    yield Ratio("seconds to the first picture of the main page on a slow phone", statistics.median(seconds), at_most=1)
