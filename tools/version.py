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
CHANGELOG_SECTION = re.compile(r"(?m)^## (?P<version>\d\S*) - \d{4}-\d{2}-\d{2}$")
UNRELEASED = "## Unreleased\n"


def versioned_files(root: Path) -> list[Path]:
    """Returns the files that name the version: every project file, and the core's module."""
    members = [root / "sandbox", *sorted(root.glob("packages/*"))]
    projects = [directory / "pyproject.toml" for directory in (root, *members)]
    return [*projects, root / "packages/pryv/src/pryv/_version.py"]


def named_versions(text: str) -> list[str]:
    """Returns the versions that a file's text gives itself and its siblings."""
    return [match["version"] for pattern in (VERSION, SIBLING_PIN) for match in pattern.finditer(text)]


def set_version(root: Path, version: str) -> None:
    """Writes `version` wherever the workspace names its own.

    Raises:
        ValueError: `version` is malformed or not later than the current one.
    """
    current = named_versions((root / "pyproject.toml").read_text())[0]
    try:
        later = Version(version) > Version(current)
    except InvalidVersion as error:
        raise ValueError(str(error)) from None
    if not later:
        raise ValueError(f"{version} is not later than {current}")
    for file in versioned_files(root):
        text = VERSION.sub(rf'\g<1>"{version}"', file.read_text())
        file.write_text(SIBLING_PIN.sub(rf'"\g<name>=={version}"', text))
    changelog = root / "CHANGELOG.md"
    section = f"{UNRELEASED}\n## {version} - {datetime.now(timezone.utc):%Y-%m-%d}\n"
    changelog.write_text(changelog.read_text().replace(UNRELEASED, section, 1))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        set_version(Path(__file__).resolve().parents[1], sys.argv[1])
    except ValueError as error:
        sys.exit(f"version: {error}")
