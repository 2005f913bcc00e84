"""Gives every package of the workspace one version.

python tools/version.py X.Y.Z

Rewrites the versions and sibling pins of all project files, and turns the changelog's "Unreleased" section into the
new version's.
"""

import re
import sys
from datetime import datetime, timezone
from pathlib import Path

from packaging.version import InvalidVersion, Version

VERSION = re.compile(r'(?m)^((?:__)?version(?:__)? = )"(?P<version>[^"]+)"$')
SIBLING_PIN = re.compile(r'"(?P<name>pryv[a-z-]*)==(?P<version>[^"]+)"')
SECTION = re.compile(r"(?m)^## (?P<version>\S+)(?: - \d{4}-\d{2}-\d{2})?\n")
UNRELEASED = "Unreleased"


def versioned_files(root: Path) -> list[Path]:
    """Return the files with the version: the project files, and the modules `_version`."""
    patterns = ("pyproject.toml", "packages/*/pyproject.toml", "packages/*/src/*/_version.py")
    return [file for pattern in patterns for file in sorted(root.glob(pattern))]


def named_versions(text: str) -> list[str]:
    """Return the versions in a file: its own, and those of its siblings."""
    return [match["version"] for pattern in (VERSION, SIBLING_PIN) for match in pattern.finditer(text)]


def current_version(root: Path) -> str:
    """Return the version of the workspace."""
    return named_versions((root / "pyproject.toml").read_text())[0]


def changelog_sections(root: Path) -> dict[str, str]:
    """Return the entries of the changelog by version, the latest first, with those not released yet."""
    _, *parts = SECTION.split((root / "CHANGELOG.md").read_text())
    return {version: text.strip() for version, text in zip(parts[::2], parts[1::2], strict=True)}


def set_version(root: Path, version: str) -> None:
    """Set the version of the workspace.

    Raises:
        ValueError: `version` is malformed or not later than the last one released, or there is nothing to release.
    """
    sections = changelog_sections(root)
    if not sections.pop(UNRELEASED, ""):
        raise ValueError(f'the version has no entries: the changelog\'s "{UNRELEASED}" section is empty')
    try:
        asked = Version(version)
    except InvalidVersion as error:
        raise ValueError(str(error)) from None
    if str(asked) != version:
        raise ValueError(f"write {version} as {asked}")
    if earlier := [released for released in sections if Version(released) >= asked]:
        raise ValueError(f"{version} is not later than {earlier[0]}")
    for file in versioned_files(root):
        text = VERSION.sub(rf'\g<1>"{version}"', file.read_text())
        file.write_text(SIBLING_PIN.sub(rf'"\g<name>=={version}"', text))
    changelog = root / "CHANGELOG.md"
    heading = f"## {UNRELEASED}\n"
    section = f"{heading}\n## {version} - {datetime.now(timezone.utc):%Y-%m-%d}\n"
    changelog.write_text(changelog.read_text().replace(heading, section, 1))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        set_version(Path(__file__).resolve().parents[1], sys.argv[1])
    except ValueError as error:
        sys.exit(f"version: {error}")
