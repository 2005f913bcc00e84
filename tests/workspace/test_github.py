"""The files that GitHub reads: as far as can be told without it, they say what they mean."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github"
TEMPLATES = GITHUB / "ISSUE_TEMPLATE"
FILES = [
    *(("github-workflows", workflow) for workflow in sorted(GITHUB.glob("workflows/*.yml"))),
    *(("github-issue-forms", TEMPLATES / name) for name in ("bug.yml", "feature.yml")),
    ("github-issue-config", TEMPLATES / "config.yml"),
    ("dependabot", GITHUB / "dependabot.yml"),
]


@pytest.mark.parametrize(("schema", "file"), FILES, ids=lambda value: getattr(value, "name", ""))
def test_files_match_their_schemas(schema: str, file: Path) -> None:
    check("check-jsonschema", "--builtin-schema", f"vendor.{schema}", str(file))


def test_workflows_are_safe() -> None:
    check("zizmor", "--offline", "--persona=pedantic", str(GITHUB))


def test_every_python_that_packages_name_is_tested() -> None:
    named = [re.findall(r'Python :: (3\.\d+)"', file.read_text()) for file in ROOT.glob("packages/*/pyproject.toml")]
    assert named[0]
    assert named == len(named) * [named[0]]
    (matrix,) = re.findall(r"python: \[(.*)\]", (GITHUB / "workflows" / "ci.yml").read_text())
    tested = re.findall(r'"(.*?)"', matrix)
    assert tested[: len(named[0])] == named[0]


@pytest.mark.parametrize("workflow", sorted(file.name for file in GITHUB.glob("workflows/*.yml")))
def test_workflows_run_existing_recipes(workflow: str) -> None:
    recipes = re.findall(r"^([a-z-]+)(?: .*)?:", (ROOT / "justfile").read_text(), re.MULTILINE)
    for command in re.findall(r"run: (.*)", (GITHUB / "workflows" / workflow).read_text()):
        program, *arguments = command.split()
        assert (ROOT / program).exists() or program.startswith(".venv/")
        if program == "./dev":
            assert arguments[0] in recipes
        else:
            assert all((ROOT / argument).exists() for argument in arguments if argument.endswith(".py"))


def test_every_package_has_a_floor_of_coverage() -> None:
    floors = re.findall(r"--include='packages/(.*)/\*' --fail-under=(\d+)", (ROOT / "justfile").read_text())
    assert sorted(name for name, _ in floors) == sorted(
        file.parent.name for file in ROOT.glob("packages/*/pyproject.toml")
    )
    assert all(90 < int(floor) < 100 for _, floor in floors)


def check(tool: str, *arguments: str) -> None:
    """Runs a tool of this environment, which has to find nothing."""
    command = [str(Path(sys.executable).with_name(tool)), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
