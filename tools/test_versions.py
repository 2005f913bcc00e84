"""Runs the tests of the packages with the oldest, or the newest, allowed versions of their dependencies.

python tools/test_versions.py {oldest,newest} [--python PYTHON] [TEST…]
"""

import argparse
import sys

from distributions import PACKAGES, ROOT
from environments import Environment, fresh_environment

PROJECTS = [ROOT / "packages" / package / "pyproject.toml" for package in PACKAGES]
NAMES = ("pryv", "socket_io", "monitor", "encryption", "backup", "fleet", "sandbox")
TESTS = [f"tests/{name}" for name in NAMES]
RESOLUTIONS = {"oldest": "lowest-direct", "newest": "highest"}


def main(versions: str, python: str, tests: list[str]) -> None:
    """Install the versions, print them, and run the tests."""
    with fresh_environment(python) as environment:
        installed = install(environment, RESOLUTIONS[versions])
        print(installed, flush=True)
        pins = environment.directory / "versions.txt"
        pins.write_text(installed)
        environment.uv_pip("install", "--constraint", pins, "--group", f"{ROOT / 'pyproject.toml'}:test")
        environment.test("--numprocesses=2", "--dist=loadfile", *tests)


def install(environment: Environment, resolution: str) -> str:
    """Install the packages with their dependencies; return the versions."""
    projects = [part for project in PROJECTS for part in ("--requirements", project)]
    environment.uv_pip("install", f"--resolution={resolution}", "--all-extras", *projects)
    environment.uv_pip("install", "--no-deps", *(project.parent for project in PROJECTS))
    environment.uv_pip("check")
    frozen = environment.uv_pip("freeze").splitlines()
    return "\n".join(sorted(line for line in frozen if "==" in line))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("versions", choices=RESOLUTIONS)
    parser.add_argument("--python", default=sys.executable, help="name or path; default: this one")
    parser.add_argument("tests", nargs="*", default=TESTS, help="default: all")
    arguments = parser.parse_intermixed_args()  # tests may follow an option
    main(arguments.versions, arguments.python, arguments.tests)
