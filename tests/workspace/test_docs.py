"""The documentation is built strictly, and a browser shows it as a reader needs it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .documents import ROOT

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = pytest.mark.timeout(300)

DOCS = ROOT / "docs"
STRICTLY = ("--quiet", "--fail-on-warning", "--keep-going", "--nitpicky")


def build(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """Build as `./dev docs` does."""
    command = [sys.executable, "-m", "sphinx", *STRICTLY, str(source), str(target)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    built = build(DOCS, target)
    assert built.returncode == 0, built.stderr
    return target


# ---- the build


def test_the_recipe_builds_as_the_tests_do() -> None:
    recipe = (ROOT / "justfile").read_text().partition("\ndocs *params:\n")[2].splitlines()[0]
    assert set(STRICTLY) <= set(recipe.split())


def test_every_page_is_built(site: Path) -> None:
    pages = {page.relative_to(DOCS).with_suffix(".html") for page in DOCS.rglob("*.md") if "_build" not in page.parts}
    assert pages <= {page.relative_to(site) for page in site.rglob("*.html")}


def test_docstrings_are_parsed(site: Path) -> None:
    """A colon or a quote in the wrong place shows as markup, or makes a type of what stands before it."""
    for page in site.glob("reference/*.html"):
        article = page.read_text().partition("<article")[2].partition("</article>")[0]
        text = re.sub(r"<[^>]+>", "", re.sub(r"<pre>.*?</pre>", "", article, flags=re.DOTALL))
        assert re.findall(r".*(?:`| -- ).*|^Type:.*", text, re.MULTILINE) == [], page.name


def test_a_broken_link_and_a_name_out_of_the_reference_fail(tmp_path: Path) -> None:
    (tmp_path / "index.md").write_text("# Title\n\n[gone](gone.md)\n\n[no such name](#pryv.Nothing)\n")
    shutil.copy(DOCS / "conf.py", tmp_path)
    shutil.copytree(DOCS / "_static", tmp_path / "_static")
    built = build(tmp_path, tmp_path / "_build")
    assert built.returncode != 0
    for problem in ("gone.md", "pryv.Nothing", "pryv.Connection.api has no docstring, or no place in the reference"):
        assert problem in built.stderr


# ---- in a browser


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
def test_the_contents_are_beside_the_page(site: Path, driver: Chrome, width: int, beside: bool) -> None:
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
