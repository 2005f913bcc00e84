"""The documentation is built, and strictly."""

import re
import shutil
from pathlib import Path

import pytest

from .documentation import DOCS, STRICTLY, build
from .documents import ROOT

pytestmark = pytest.mark.timeout(300)


def test_the_recipe_builds_as_the_tests_do() -> None:
    recipe = (ROOT / "justfile").read_text().partition("\ndocs *params:\n")[2].splitlines()[0]
    assert set(STRICTLY) <= set(recipe.split())


def test_every_page_is_built(site: Path) -> None:
    pages = {page.relative_to(DOCS).with_suffix(".html") for page in DOCS.rglob("*.md") if "_build" not in page.parts}
    assert pages <= {page.relative_to(site) for page in site.rglob("*.html")}


def test_docstrings_are_understood(site: Path) -> None:
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
