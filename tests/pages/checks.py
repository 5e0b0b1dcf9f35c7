"""What holds for every page in a browser."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Browser, Page, ViewportSize

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
DESK, PHONE = ViewportSize(width=1280, height=720), ViewportSize(width=360, height=740)

TOO_WIDE = """document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("body *")]
    .filter(each => each.getBoundingClientRect().right > innerWidth).map(each => each.outerHTML.slice(0, 200))"""


@contextmanager
def quiet_page(browser: Browser, origin: str, **context: Any) -> Iterator[Page]:
    """Open a page of one's own; fail where it writes to the console, breaks a policy or asks another host.

    The console tells of violations of the Content-Security-Policy, too. `context` is as in `browser.new_context()`.
    """
    with browser.new_context(**{"viewport": DESK, **context}) as opened:
        page = opened.new_page()
        found: list[str] = []
        page.on("console", lambda message: found.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: found.append(str(error)))
        page.on(
            "request",
            lambda request: None if request.url.startswith((origin, "blob:")) else found.append(request.url),
        )
        yield page
        page.wait_for_load_state("networkidle")
        assert found == []


def assert_accessible(page: Page, *, allowed: tuple[str, ...] = ()) -> None:
    """Fail where axe-core finds anything on the page as it is now, light and dark, wide and 360 px.

    `allowed` are the rules whose findings are not ours to mend.
    """
    page.evaluate(AXE)
    for viewport in (DESK, PHONE):
        page.set_viewport_size(viewport)
        wide = page.evaluate(TOO_WIDE)
        assert wide == [], f"wider than {viewport['width']} px: {wide}"
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            violations = page.evaluate("axe.run().then(results => results.violations)")
            found = [
                f"{scheme}, {viewport['width']} px: {rule['id']}: {rule['help']}: {node['html'][:300]}\n"
                f"{node['failureSummary'][:300]}"
                for rule in violations
                if rule["id"] not in allowed
                for node in rule["nodes"]
            ]
            assert not found, "\n".join(found)
    page.set_viewport_size(DESK)
    page.emulate_media(color_scheme="light")
