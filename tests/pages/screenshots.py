"""Write the pictures of the main page that README.md and docs/ show: make screenshots."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.conftest import ROOT, serving
from tests.pages.checks import DESK, PHONE

PICTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "main-page-light.png": ("/lm?model=mtcars", {"viewport": DESK}),
    "main-page-dark.png": ("/lm?distance=29.5", {"viewport": DESK, "color_scheme": "dark"}),
    "main-page-phone.png": ("/lm?distance=29.5", {"viewport": PHONE}),
}


def main() -> None:
    """Serve the models of extra_files, and take each picture."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serving("make run", ROOT / "extra_files", Path(folder) / "server.log") as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), chromium_sandbox=False)
        for name, (path, context) in PICTURES.items():
            page = browser.new_page(**context)
            page.goto(server.url + path)
            page.locator(".panels svg .answer").first.wait_for()
            page.screenshot(path=ROOT / "docs" / name)
        browser.close()


if __name__ == "__main__":
    main()
