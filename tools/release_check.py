"""Checks the distributions in dist/ before a release.

First their content; then each of them, wheel and sdist, in a fresh environment, with its siblings from dist/: its
dependencies, its import, its commands, the programs in its README. Then the tests, with all of them installed.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from dependency_tree import dependency_tree, documented_tree
from distributions import PACKAGES, ROOT, Distribution, distributions, faults
from environments import Environment, fresh_environment
from version import current_version

COMMANDS = {
    "pryv": ["pryv"],
    "pryv-socket-io": [],
    "pryv-monitor": ["pryv-monitor"],
    "pryv-encryption": [],
    "pryv-backup": ["pryv-backup"],
    "pryv-fleet": ["pryv-fleet"],
    "pryv-sandbox": [],
}
EXTRAS = {
    "pryv": "[dpop,keyring,speed]",
    "pryv-monitor": "[socket]",
    "pryv-fleet": "[embedded,parquet,prometheus]",
}
"""The extras that the tests need."""
TEST_TOOLS = ["--group", f"{ROOT / 'pyproject.toml'}:test"]


def main(packages: list[str], quick: bool) -> None:
    """Check the distributions of packages; with `quick`, only the wheels, without their tests."""
    version = current_version(ROOT)
    if found := list(faults(ROOT / "dist", version)):
        sys.exit("\n".join(found))
    every = distributions(ROOT / "dist", version)
    wheels = [distribution for distribution in every if distribution.is_wheel]
    sdists = [distribution for distribution in every if not distribution.is_wheel]
    with repository_without_packages() as repository:
        for siblings in [wheels] if quick else [wheels, sdists]:
            for distribution in siblings:
                if distribution.package in packages:
                    print(f"{distribution.file.name} …", flush=True)
                    check(distribution, siblings, repository)
            if not quick:
                test(packages, siblings, repository)


@contextmanager
def repository_without_packages() -> Iterator[Path]:
    """Copy the repository without the packages' sources, so that these cannot be imported by accident."""
    others = [".*", "dist", "htmlcov", "_build", "__pycache__"]
    with TemporaryDirectory() as directory:
        repository = Path(directory) / "repository"
        shutil.copytree(ROOT, repository, ignore=shutil.ignore_patterns(*others))
        for sources in repository.glob("packages/*/src"):
            shutil.rmtree(sources)
        yield repository


def check(distribution: Distribution, siblings: list[Distribution], repository: Path) -> None:
    """Install a distribution in a fresh environment, and try it there."""
    package, module = distribution.package, distribution.module
    with fresh_environment() as environment:
        install(environment, siblings, f"{package} @ {distribution.file.as_uri()}")
        installed = dependency_tree(environment, package)
        documented = documented_tree(ROOT / "packages" / package / "README.md")
        if installed != documented:
            sys.exit(f"The README of {package} does not show what it installs:\n{installed}")
        place = Path(environment.run("python", "-I", "-c", f"import {module}; print({module}.__file__, end='')"))
        if not place.is_relative_to(environment.directory):
            sys.exit(f"{module} is imported from {place}")
        for command in COMMANDS[package]:
            environment.run(command, "--help")

        others = ["pryv-socket-io"] if package == "pryv-sandbox" else ["pryv-sandbox"]
        install(environment, siblings, with_extras(distribution), *TEST_TOOLS, *others)
        environment.test("tests/workspace/test_documents.py", "-k", f"packages/{package}/", directory=repository)


def test(packages: list[str], siblings: list[Distribution], repository: Path) -> None:
    """Run the tests of packages in an environment with all of them, as the tests of one may use others."""
    with fresh_environment() as environment:
        install(environment, siblings, *map(with_extras, siblings), *TEST_TOOLS)
        tests = [f"tests/{package.removeprefix('pryv-').replace('-', '_')}" for package in packages]
        environment.test(*tests, "--numprocesses=4", "--dist=loadfile", directory=repository)


def with_extras(distribution: Distribution) -> str:
    """Return the requirement of a distribution with the extras that the tests need."""
    return f"{distribution.package}{EXTRAS.get(distribution.package, '')} @ {distribution.file.as_uri()}"


def install(environment: Environment, siblings: list[Distribution], *requirements: object) -> None:
    """Install requirements; packages of the workspace come from these files."""
    files = environment.directory / "siblings.txt"
    files.write_text("".join(f"{sibling.package} @ {sibling.file.as_uri()}\n" for sibling in siblings))
    versions = ROOT / "constraints.txt"
    constraints = ["--constraint", files, "--constraint", versions, "--build-constraint", versions]
    environment.uv_pip("install", *constraints, *requirements)
    environment.uv_pip("check")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", nargs="*", default=PACKAGES, help="default: all")
    parser.add_argument("--quick", action="store_true", help="only the wheels, without their tests")
    arguments = parser.parse_args()
    main(arguments.packages, arguments.quick)
