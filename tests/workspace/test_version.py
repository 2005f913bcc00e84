import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from tests.workspace.clones import Clone

from version import UNRELEASED, changelog_sections, named_versions, versioned_files

ROOT = Path(__file__).resolve().parents[2]


def versions(root: Path) -> set[str]:
    released = [version for version in changelog_sections(root) if version != UNRELEASED]
    return set(released[:1]).union(*(named_versions(file.read_text()) for file in versioned_files(root)))


def test_versions_pins_and_changelog_agree() -> None:
    assert len(versions(ROOT)) == 1


@pytest.mark.parametrize(
    "package",
    ["pryv", "pryv_socket_io", "pryv_monitor", "pryv_encryption", "pryv_backup", "pryv_fleet", "pryv_sandbox"],
)
def test_packages_know_their_version(package: str) -> None:
    command = f"import {package}; print({package}.__version__)"
    shown = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout.strip()
    assert shown == metadata.version(package)
    assert {shown} == versions(ROOT)


@pytest.mark.parametrize("package", ["pryv-socket-io", "pryv-monitor", "pryv-encryption", "pryv-backup", "pryv-fleet"])
def test_siblings_are_pinned_exactly(package: str) -> None:
    siblings = [requirement for requirement in metadata.requires(package) or [] if requirement.startswith("pryv")]
    assert siblings
    for requirement in siblings:
        assert requirement.partition(";")[0].strip().endswith(f"=={metadata.version(package)}")


def write_changelog(clone: Clone, text: str) -> None:
    """Has the clone's changelog say this, in a commit."""
    (clone.directory / "CHANGELOG.md").write_text(f"# Changelog\n\n{text}")
    clone.commit()


@pytest.mark.parametrize("version", ["0.1.0", "9.8.7"])
def test_recipe_sets_commits_and_tags_the_first_version(clone: Clone, version: str) -> None:
    write_changelog(clone, "## Unreleased\n\nThe first version.\n")
    done = clone.just("version", version)
    assert done.returncode == 0, done.stderr
    assert versions(clone.directory) == {version}
    assert changelog_sections(clone.directory) == {UNRELEASED: "", version: "The first version."}
    assert clone.git("status", "--porcelain") == ""
    assert clone.git("describe", "--exact-match", "HEAD").strip() == f"v{version}"


def test_recipe_sets_the_next_version(clone: Clone) -> None:
    write_changelog(clone, "## Unreleased\n\nThe second version.\n\n## 0.1.0 - 2026-01-01\n\nThe first version.\n")
    done = clone.just("version", "0.2.0")
    assert done.returncode == 0, done.stderr
    assert versions(clone.directory) == {"0.2.0"}
    told = {UNRELEASED: "", "0.2.0": "The second version.", "0.1.0": "The first version."}
    assert changelog_sections(clone.directory) == told


def refuses(clone: Clone, version: str) -> None:
    before = clone.git("rev-parse", "HEAD")
    done = clone.just("version", version)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert clone.git("rev-parse", "HEAD") == before
    assert clone.git("status", "--porcelain") == ""
    assert clone.git("tag", "--list", f"v{version}") == ""


@pytest.mark.parametrize("version", ["0.0.1", "0.1.0", "next", "1.0.0-rc1"])
def test_recipe_refuses_a_version_that_is_not_later(clone: Clone, version: str) -> None:
    write_changelog(clone, "## Unreleased\n\nMore.\n\n## 0.1.0 - 2026-01-01\n\nThe first version.\n")
    refuses(clone, version)


def test_recipe_refuses_a_version_without_changelog(clone: Clone) -> None:
    write_changelog(clone, "## Unreleased\n\n## 0.1.0 - 2026-01-01\n\nThe first version.\n")
    refuses(clone, "0.2.0")


def test_recipe_refuses_a_version_that_is_tagged(clone: Clone) -> None:
    clone.git("tag", "v9.8.7")
    done = clone.just("version", "9.8.7")
    assert "There is a tag v9.8.7 already" in done.stderr
    assert versions(clone.directory) != {"9.8.7"}


def test_recipe_refuses_uncommitted_changes(clone: Clone) -> None:
    (clone.directory / "README.md").write_text("changed")
    assert "Commit your changes first" in clone.just("version", "9.8.7").stderr
    assert (clone.directory / "README.md").read_text() == "changed"
    assert versions(clone.directory) != {"9.8.7"}
