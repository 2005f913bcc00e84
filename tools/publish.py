"""Uploads the distributions in dist/ to the package index, and with the account, that twine's variables name.

python tools/publish.py [PARAMETER OF TWINE…]
python tools/publish.py --check                only checks whether the workspace may be published as it is
"""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from distributions import PACKAGES, distributions
from version import changelog_sections, current_version

ROOT = Path(__file__).resolve().parents[1]


def main(parameters: list[str]) -> None:
    """Upload the distributions, the core first, after confirmation."""
    version = current_version(ROOT)
    if reason := why_not(version):
        sys.exit(f"publish: {reason}")
    if parameters == ["--check"]:
        return
    files: dict[str, list[Path]] = {package: [] for package in PACKAGES}
    for distribution in distributions(ROOT / "dist", version):
        files[distribution.package].append(distribution.file)
    print(f"{', '.join(PACKAGES)} {version} go to {index()}.")
    if not agreed("Upload them? [y/N] "):
        sys.exit("publish: nothing was uploaded")
    for of_package in files.values():
        upload(of_package, parameters)


def why_not(version: str) -> str | None:
    """Return why a version cannot be published; `None` if it can."""
    if git("status", "--porcelain"):
        return "there are changes that are not committed"
    if f"v{version}" not in git("tag", "--points-at", "HEAD").split():
        return f"this commit has no tag v{version}"
    if not changelog_sections(ROOT).get(version):
        return f"the changelog has no entries for {version}"
    return None


def index() -> str:
    """Return the name of the index, without credentials in its URL."""
    url = urlsplit(os.environ.get("TWINE_REPOSITORY_URL", ""))
    return url.netloc.rpartition("@")[2] or os.environ.get("TWINE_REPOSITORY", "the public index")


def agreed(question: str) -> bool:
    """Ask a question; the default is no."""
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False


def upload(files: list[Path], parameters: list[str]) -> None:
    """Upload files, and end the program if that fails."""
    done = subprocess.run(["twine", "upload", "--non-interactive", *parameters, *files], check=False)
    if done.returncode:
        sys.exit(done.returncode)


def git(*arguments: str) -> str:
    """Return the output of git."""
    return subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main(sys.argv[1:])
