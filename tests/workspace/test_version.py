import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from version import CHANGELOG_SECTION, named_versions, versioned_files

ROOT = Path(__file__).resolve().parents[2]


def versions(root: Path) -> set[str]:
    released = CHANGELOG_SECTION.search((root / "CHANGELOG.md").read_text())
    assert released
    return {released["version"]}.union(*(named_versions(file.read_text()) for file in versioned_files(root)))


def test_versions_pins_and_changelog_agree() -> None:
    assert len(versions(ROOT)) == 1


@pytest.mark.parametrize("package", ["pryv", "pryv_socket_io", "pryv_monitor"])
def test_packages_know_their_version(package: str) -> None:
    command = f"import {package}; print({package}.__version__)"
    shown = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout.strip()
    assert shown == metadata.version(package)
    assert {shown} == versions(ROOT)


@pytest.mark.parametrize("package", ["pryv-socket-io", "pryv-monitor"])
def test_siblings_are_pinned_exactly(package: str) -> None:
    siblings = [requirement for requirement in metadata.requires(package) or [] if requirement.startswith("pryv")]
    assert siblings
    for requirement in siblings:
        assert requirement.partition(";")[0].strip().endswith(f"=={metadata.version(package)}")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    target = tmp_path / "clone"
    git(ROOT, "clone", "--quiet", "--no-hardlinks", str(ROOT), str(target))
    return target


def git(directory: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Developer", "-c", "user.email=developer@example.org"]
    command = ["git", "-C", str(directory), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def run_recipe(clone: Path, version: str) -> subprocess.CompletedProcess[str]:
    """Runs `version` in the clone, with the just of this environment."""
    just = shutil.which("just") or ROOT / ".venv" / "tools" / "bin" / "just"
    git(clone, "config", "user.name", "Developer")
    git(clone, "config", "user.email", "developer@example.org")
    return subprocess.run(
        [just, "--justfile", clone / "justfile", "version", version], capture_output=True, text=True, check=False
    )


def test_recipe_sets_commits_and_tags(clone: Path) -> None:
    done = run_recipe(clone, "9.8.7")
    assert done.returncode == 0, done.stderr
    assert versions(clone) == {"9.8.7"}
    assert git(clone, "status", "--porcelain") == ""
    assert git(clone, "describe", "--exact-match", "HEAD").strip() == "v9.8.7"


@pytest.mark.parametrize("version", ["0.0.1", "next"])
def test_recipe_refuses_what_is_no_later_version(clone: Path, version: str) -> None:
    before = git(clone, "rev-parse", "HEAD")
    assert run_recipe(clone, version).returncode != 0
    assert git(clone, "rev-parse", "HEAD") == before
    assert git(clone, "status", "--porcelain") == ""
    assert git(clone, "tag", "--list", f"v{version}") == ""


def test_recipe_refuses_uncommitted_changes(clone: Path) -> None:
    (clone / "README.md").write_text("changed")
    assert "Commit your changes first" in run_recipe(clone, "9.8.7").stderr
    assert (clone / "README.md").read_text() == "changed"
    assert versions(clone) != {"9.8.7"}
