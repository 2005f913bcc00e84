"""The distributions in dist/: their content, and what is wrong with it."""

import re
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen
from packaging.metadata import Metadata
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from readme_renderer import markdown

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("pryv", "pryv-socket-io", "pryv-monitor", "pryv-encryption", "pryv-backup", "pryv-fleet", "pryv-sandbox")
"""In the order of their release: each needs only packages before it."""

IN_THE_REPOSITORY = re.compile(r"https://github\.com/pryv/lib-python/(?:blob|tree)/main/([^#]*)")
URLS = {"Documentation", "Repository", "Changelog", "Issues"}
CLASSIFIERS = {"Typing :: Typed", "Programming Language :: Python :: 3 :: Only", "Intended Audience :: Developers"}


@frozen
class Distribution:
    """A wheel or an sdist of a package."""

    package: str
    version: str
    file: Path

    @property
    def is_wheel(self) -> bool:
        """Whether it is a wheel."""
        return self.file.suffix == ".whl"

    @property
    def module(self) -> str:
        """The name that the package is imported by."""
        return self.package.replace("-", "_")

    @property
    def stem(self) -> str:
        """The beginning of the names of its file and of the folders in it."""
        return f"{self.module}-{self.version}"

    def members(self) -> dict[str, bytes]:
        """Return the files in it."""
        if self.is_wheel:
            with zipfile.ZipFile(self.file) as wheel:
                return {name: wheel.read(name) for name in wheel.namelist()}
        with tarfile.open(self.file) as sdist:
            return {member.name: sdist.extractfile(member).read() for member in sdist}  # type: ignore[union-attr]

    def metadata(self) -> bytes:
        """Return the text of its metadata."""
        return self.members()[f"{self.stem}.dist-info/METADATA" if self.is_wheel else f"{self.stem}/PKG-INFO"]


def distributions(directory: Path, version: str) -> list[Distribution]:
    """Return the distributions of a version, in the order of their release, whether they exist or not."""
    return [
        Distribution(package, version, directory / f"{package.replace('-', '_')}-{version}{ending}")
        for package in PACKAGES
        for ending in ("-py3-none-any.whl", ".tar.gz")
    ]


def faults(directory: Path, version: str) -> Iterator[str]:
    """Yield the reasons why the distributions in a directory cannot be released as a version."""
    expected = distributions(directory, version)
    yield from differences(directory.name, {file.name for file in directory.iterdir()}, {d.file.name for d in expected})
    for distribution in expected:
        if distribution.file.exists():
            for fault in (*content_faults(distribution), *metadata_faults(distribution)):
                yield f"{distribution.file.name}: {fault}"


def differences(where: str, found: set[str], expected: set[str]) -> Iterator[str]:
    """Yield what is missing, and what should not be there."""
    yield from (f"{name} is missing in {where}" for name in sorted(expected - found))
    yield from (f"{name} does not belong in {where}" for name in sorted(found - expected))


def content_faults(distribution: Distribution) -> Iterator[str]:
    """Yield what is missing, and what should not be there: a distribution has the package's files in git, no tests."""
    folder = f"packages/{distribution.package}/"
    listing = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    known = {name.removeprefix(folder) for name in listing.splitlines()}
    marker = f"src/{distribution.module}/py.typed"
    if distribution.is_wheel:
        about = {"METADATA", "WHEEL", "RECORD", "licenses/LICENSE", "entry_points.txt"}
        expected = {name.removeprefix("src/") for name in known | {marker} if name.startswith("src/")}
        expected |= {f"{distribution.stem}.dist-info/{name}" for name in about}
    else:
        about = {
            "PKG-INFO",
            "LICENSE",
            "README.md",
            ".gitignore",
        }  # the latter keeps strays out of a wheel made from it
        expected = {f"{distribution.stem}/{name}" for name in known | about | {marker}}
    found = set(distribution.members())
    yield from differences("it", found, expected)
    yield from (f"{name} is a test" for name in sorted(found) if re.search(r"/(conftest|tests?\b|test_)", name))


def metadata_faults(distribution: Distribution) -> Iterator[str]:
    """Yield what is wrong with the metadata of a distribution, and with its README."""
    metadata = Metadata.from_email(distribution.metadata(), validate=True)
    expected = {
        "name": distribution.package,
        "version": Version(distribution.version),
        "requires_python": SpecifierSet(">=3.10"),
        "license_expression": "BSD-3-Clause",
        "license_files": ["LICENSE"],
        "description_content_type": "text/markdown",
    }
    for field, value in expected.items():
        if getattr(metadata, field) != value:
            yield f"{field} is {getattr(metadata, field)}, not {value}"
    yield from differences("its URLs", set(metadata.project_urls or {}), URLS)
    yield from (f"{name} is missing in its classifiers" for name in CLASSIFIERS - set(metadata.classifiers or []))
    for requirement in metadata.requires_dist or []:
        if requirement.name in PACKAGES and requirement.specifier != SpecifierSet(f"=={distribution.version}"):
            yield f"{requirement} is not an exact pin"
    yield from readme_faults(metadata.description or "")


def readme_faults(readme: str) -> Iterator[str]:
    """Yield what is wrong with a README, as a package index shows it."""
    page = markdown.render(readme)
    if page is None:
        yield "its README cannot be rendered"
        return
    for link in re.findall(r'(?:href|src)="([^"]*)"', page):
        if not link.startswith("https://") and f'id="{link[1:]}"' not in page:  # a heading links to itself
            yield f"the link {link} in its README is not absolute"
        elif (file := IN_THE_REPOSITORY.match(link)) and not (ROOT / file[1]).exists():
            yield f"the link {link} in its README leads nowhere"
