"""The documents of the repository, and how the code in them is run.

`python -m tests.workspace.documents` lists the blocks of code, those that are run and those that are not.
"""

import os
import re
import secrets
import subprocess
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import requests

from pryv import Connection

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(page for page in ROOT.glob("docs/**/*.md") if "_build" not in page.parts)
READMES = [ROOT / "README.md", *sorted(ROOT.glob("packages/*/README.md"))]
OTHERS = [
    *(ROOT / name for name in ("CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md")),
    *ROOT.glob("examples/**/*.md"),
]
DOCUMENTS = [*READMES, *PAGES, *OTHERS]
SITE = "https://pryv.github.io/lib-python/"

RUN = {"python": "py", "sh": "sh"}
"""Languages of blocks that are run, and what their files end with."""
NOT_RUN = ("ini", "text")
"""Languages of blocks that are read only: the configuration of other programs, and what cannot be run here."""

Account = tuple[str, str, Connection]
"""Username, password, and a connection with a personal token."""


def name(document: Path) -> str:
    """Return the name a document is known by."""
    return str(document.relative_to(ROOT))


def blocks(document: Path) -> list[tuple[str, str]]:
    """Return the blocks of code in a document, each with its language."""
    fenced = re.findall(r"^```(\S*).*?\n(.*?)^```$", document.read_text(), re.DOTALL | re.MULTILINE)
    return [(language, text) for language, text in fenced if not language.startswith("{")]  # `{…}` is a directive


def program(document: Path, language: str) -> str:
    """Return the blocks of one language, in their order, as one program."""
    return "\n".join(text for of, text in blocks(document) if of == language)


def with_code(language: str) -> list[Path]:
    """Return the documents that have code of a language."""
    return [document for document in [*READMES, *PAGES] if program(document, language)]


def settled(program: str, service_info_url: str, owner: Account) -> str:
    """Return a program that works for an owner, on a platform, in place of the names it stands there with."""
    username, password, connection = owner
    names = {
        "https://TOKEN@alice.pryv.me/": connection.api_endpoint,
        "https://alice.pryv.me/": connection.endpoint,
        "https://reg.pryv.me/service/info": service_info_url,
        "see-you-soon": password,
        "alice": username,
        "carol": f"test{secrets.token_hex(6)}",  # who is registered in the program
    }
    for there, here in names.items():
        program = program.replace(there, here)
    return program


def run(program: str, language: str, directory: Path, owner: Connection | None = None) -> tuple[int, str]:
    """Run a program, its owner giving access on each page that it shows; return exit code and all it printed."""
    file = directory / ("test_program.py" if "def test_" in program else f"program.{RUN[language]}")
    file.write_text(program)
    settings = {
        "BROWSER": "true",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        "PYTHONUNBUFFERED": "1",
        "XDG_CONFIG_HOME": str(directory),
    }
    with subprocess.Popen(
        command(file),
        cwd=directory,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        assert running.stdout is not None
        printed = ""
        try:
            for line in running.stdout:
                printed += line
                for page in re.findall(r"http\S+\?\S*key=\S+", line):
                    assert owner is not None
                    give_access(owner, page)
        except BaseException:
            running.kill()
            raise
    return running.returncode, printed


def command(file: Path) -> list[str]:
    """Return what runs a file: tests are run by pytest."""
    if file.suffix == ".sh":
        return ["bash", "-euo", "pipefail", str(file)]
    return [
        sys.executable,
        *(["-m", "pytest", "-p", "no:cacheprovider"] if file.name.startswith("test_") else []),
        str(file),
    ]


def give_access(owner: Connection, page: str) -> None:
    """Do what the page does when its user accepts: make an access, and answer with it."""
    key = parse_qs(urlsplit(page).query)["key"][0]
    access = {"type": "app", "name": key, "permissions": [{"streamId": "diary", "level": "manage"}]}
    accepted = owner.api_one("accesses.create", access, "access")
    answer = {"status": "ACCEPTED", "username": owner.username(), **{k: accepted[k] for k in ("token", "apiEndpoint")}}
    requests.post(owner.service.info().access + key, json=answer, timeout=10).raise_for_status()


def main() -> None:
    """List the blocks of code."""
    total: Counter[str] = Counter()
    for document in DOCUMENTS:
        count = Counter(language for language, _ in blocks(document))
        total += count
        if count:
            print(f"{name(document):40} {', '.join(f'{number} {language}' for language, number in count.items())}")
    print(f"{'run':40} {sum(total[language] for language in RUN)}")
    print(f"{'read only':40} {sum(total[language] for language in NOT_RUN)}")


if __name__ == "__main__":
    main()
