"""The documentation is built, and strictly."""

import shutil
import subprocess
import sys
from pathlib import Path

from .documents import ROOT

DOCS = ROOT / "docs"
STRICTLY = ("--quiet", "--fail-on-warning", "--keep-going", "--nitpicky")


def build(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """Build as `just docs` does."""
    command = [sys.executable, "-m", "sphinx", *STRICTLY, str(source), str(target)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_recipe_builds_as_the_tests_do() -> None:
    recipe = (ROOT / "justfile").read_text().partition("\ndocs *params:\n")[2].splitlines()[0]
    assert set(STRICTLY) <= set(recipe.split())


def test_every_page_is_built(tmp_path: Path) -> None:
    built = build(DOCS, tmp_path)
    assert built.returncode == 0, built.stderr
    pages = {page.relative_to(DOCS).with_suffix(".html") for page in DOCS.rglob("*.md") if "_build" not in page.parts}
    assert pages <= {page.relative_to(tmp_path) for page in tmp_path.rglob("*.html")}


def test_a_broken_link_and_a_name_out_of_the_reference_fail(tmp_path: Path) -> None:
    (tmp_path / "index.md").write_text("# Title\n\n[gone](gone.md)\n\n[no such name](#pryv.Nothing)\n")
    shutil.copy(DOCS / "conf.py", tmp_path)
    built = build(tmp_path, tmp_path / "_build")
    assert built.returncode != 0
    for problem in ("gone.md", "pryv.Nothing", "pryv.Connection.api has no docstring, or no place in the reference"):
        assert problem in built.stderr
