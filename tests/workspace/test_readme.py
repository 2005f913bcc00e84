"""What the documents say: their programs run, their links lead somewhere, the tests they name are there."""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from pryv import Connection
from pryv_sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[2]
READMES = [ROOT / "README.md", ROOT / "sandbox" / "README.md", *sorted(ROOT.glob("packages/*/README.md"))]
FOLLOWING = ROOT / "packages" / "pryv-socket-io" / "README.md"
"""Its programs follow an account until they are ended."""

DOCUMENTS = [*READMES, *(ROOT / name for name in ("CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md"))]


def name(document: Path) -> str:
    return str(document.relative_to(ROOT))


def blocks(readme: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", readme.read_text(), re.DOTALL)


def run(program: str, directory: Path, owner: Connection | None = None) -> tuple[int, str]:
    """Run a program, its owner giving access on each page that it shows; return exit code and all it printed."""
    file = directory / "program.py"
    file.write_text(program)
    settings = {
        "BROWSER": "true",
        "XDG_CONFIG_HOME": str(directory),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
    }
    command = [sys.executable, "-u", str(file)]
    printed = ""
    with subprocess.Popen(
        command,
        cwd=directory,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        assert running.stdout is not None
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


def give_access(owner: Connection, page: str) -> None:
    """Do what the page does when its user accepts: make an access, and answer with it."""
    key = parse_qs(urlsplit(page).query)["key"][0]
    access = {"type": "app", "name": key, "permissions": [{"streamId": "diary", "level": "manage"}]}
    accepted = owner.api_one("accesses.create", access, "access")
    answer = {"status": "ACCEPTED", "username": owner.username(), **{k: accepted[k] for k in ("token", "apiEndpoint")}}
    requests.post(owner.service.info().access + key, json=answer, timeout=10).raise_for_status()


@pytest.mark.parametrize("readme", [readme for readme in READMES if readme != FOLLOWING], ids=name)
def test_the_code_of_a_readme_runs(readme: Path, sandbox: Sandbox, tmp_path: Path) -> None:
    """All of it in order, as one program, on an account with a diary."""
    api_endpoint = sandbox.create_account().api_endpoint
    program = "".join([f"{api_endpoint = }\n", *blocks(readme)])
    program = program.replace("https://TOKEN@alice.pryv.me/", api_endpoint)
    program = program.replace("https://reg.pryv.me/service/info", sandbox.service_info_url)
    program = program.replace("timeout=30)", "timeout=1)")  # how long a silence ends what follows changes
    with Connection(api_endpoint) as owner:
        owner.api_one("streams.create", {"id": "diary", "name": "Diary"})
        code, printed = run(program, tmp_path, owner)
    assert code == 0, printed


def test_the_code_that_follows_is_python() -> None:
    assert blocks(FOLLOWING)
    for block in blocks(FOLLOWING):
        compile(block, name(FOLLOWING), "exec")


def test_the_first_example_works_when_pasted(tmp_path: Path) -> None:
    (example,) = blocks(ROOT / "README.md")
    assert len(example.splitlines()) <= 20
    code, printed = run(example, tmp_path)
    assert code == 0, printed
    assert [line.split(" ", 1)[1] for line in printed.splitlines()] == ["61.2 kg", "61.0 kg", "60.7 kg"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_to_files(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", document.read_text()):
        assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_tests_that_are_named_exist(document: Path) -> None:
    for file, test in re.findall(r"`([\w/]+\.py)::(\w+)`", document.read_text()):
        folder = ROOT / "tests" if "/" in file else ROOT / "tests" / "pryv"
        assert re.search(rf"^def {test}\(", (folder / file).read_text(), re.MULTILINE), f"{file}::{test}"
