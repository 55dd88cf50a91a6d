"""The page in a real browser: nothing sticks out on a phone, nothing is asked of the network."""

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tinysight.reporting import write_report
from tinysight.run import RunFolder


@pytest.fixture(scope="module")
def browser(need: Callable[[str, bool, str], None]) -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    need("chromium", path is not None, "no Chromium on this machine")
    quiet = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=path, args=quiet)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def page_of(
    make_run: Callable[..., RunFolder], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[int], Path]:
    """Return the report of a run with so many classes; each is written once."""

    @cache
    def write(classes: int) -> Path:
        names = tuple(f"class number {i}" for i in range(classes))
        folder = tmp_path_factory.mktemp("page") / "run"
        return write_report(make_run(folder, names, each=2000 // classes))

    return write


@pytest.mark.parametrize("classes", [2, 10, 100, 300])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_its_window_and_asks_for_nothing(
    classes: int,
    scheme: str,
    width: int,
    browser: Browser,
    page_of: Callable[[int], Path],
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(page_of(classes).resolve().as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(v) for v in ground.strip("rgb()").split(",")[:3]) / 3
    assert (brightness < 100) == (scheme == "dark")
    shown = page.evaluate(
        "[...document.querySelectorAll('svg')].filter(s => s.checkVisibility()).length"
    )
    assert shown >= 4
    assert [u for u in asked if not u.startswith(("file:", "data:"))] == []
    assert complaints == []
    context.close()
