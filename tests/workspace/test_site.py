"""The documentation as a reader sees it, in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from selenium.webdriver import Chrome

pytestmark = pytest.mark.timeout(300)


def open_page(driver: Chrome, page: Path, width: int, query: str = "") -> None:
    """Open a page of the site in a window of some width, in pixels."""
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    driver.get(page.as_uri() + query)


def test_a_search_for_upload_finds_the_guide_first(site: Path, driver: Chrome) -> None:
    from selenium.webdriver.support.wait import WebDriverWait

    open_page(driver, site / "search.html", 1280, "?q=upload")
    first = WebDriverWait(driver, 20).until(
        lambda _: driver.find_elements("css selector", "#search-results ul.search li a")
    )[0]
    assert first.text == "Files"


@pytest.mark.parametrize(("width", "beside"), [(1280, True), (1440, True), (1000, False)])
def test_the_contents_stand_beside_the_page(site: Path, driver: Chrome, width: int, beside: bool) -> None:
    open_page(driver, site / "guides" / "files.html", width)
    contents = driver.find_element("css selector", ".toc-tree")
    place = contents.rect
    assert (place["x"] + place["width"] <= width and place["width"] > 100) is beside
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    article = driver.find_element("css selector", "article").rect
    assert not beside or article["x"] + article["width"] <= place["x"]


@pytest.mark.parametrize(("width", "columns"), [(1280, 3), (390, 2)])
def test_a_phone_shows_no_names_of_tests(site: Path, driver: Chrome, width: int, columns: int) -> None:
    open_page(driver, site / "guides" / "lib-js.html", width)
    rows = driver.find_elements("css selector", "section#connection table tbody tr:first-child td")
    assert sum(cell.is_displayed() for cell in rows) == columns


def test_code_can_be_copied(site: Path, driver: Chrome) -> None:
    open_page(driver, site / "index.html", 1280)
    assert len(driver.find_elements("css selector", "button.copybtn")) >= 2
