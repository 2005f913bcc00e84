import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import DEVNULL, PIPE, CompletedProcess, Popen
from urllib.parse import urlsplit

import pytest
from attrs import frozen
from tests.workspace.clones import Clone

from environments import Environment, fresh_environment, run

MODULES = ("pryv", "pryv_socket_io", "pryv_monitor", "pryv_encryption", "pryv_backup", "pryv_fleet", "pryv_sandbox")
USERNAME, PASSWORD = "releaser", "open-sesame"
VERSION = "9.8.7"


def build(clone: Clone, *packages: str) -> None:
    for package in packages:
        command = [
            "build",
            "--no-isolation",
            "--outdir",
            clone.directory / "dist",
            clone.directory / "packages" / package,
        ]
        run(sys.executable, "-m", *command)


def test_mistakes_in_distributions_are_named(clone: Clone) -> None:
    package = "packages/pryv-socket-io"
    (clone.directory / package / "src" / "pryv_socket_io" / "test_stray.py").touch()
    clone.git("rm", f"{package}/src/pryv_socket_io/py.typed")
    clone.replace(f"{package}/pyproject.toml", 'requires-python = ">=3.10"', 'requires-python = ">=3.11"')
    clone.replace(f"{package}/pyproject.toml", '"pryv==', '"pryv>=')
    clone.replace(f"{package}/pyproject.toml", "Issues = ", "Bugs = ")
    clone.replace(f"{package}/pyproject.toml", '"Typing :: Typed",', "")
    with (clone.directory / package / "README.md").open("a") as readme:
        readme.write("[here](docs/index.md), [there](https://github.com/pryv/lib-python/blob/main/nowhere.md)")
    build(clone, "pryv-socket-io")

    done = clone.tool("release_check.py")

    assert done.returncode == 1
    assert "pryv-0.1.0.tar.gz is missing in dist" in done.stderr
    wheel, sdist = "pryv_socket_io-0.1.0-py3-none-any.whl", "pryv_socket_io-0.1.0.tar.gz"
    for file, folder in ((wheel, ""), (sdist, "pryv_socket_io-0.1.0/src/")):
        told = [line.removeprefix(f"{file}: ") for line in done.stderr.splitlines() if line.startswith(file)]
        assert sorted(told) == sorted(
            [
                f"{folder}pryv_socket_io/py.typed is missing in it",
                f"{folder}pryv_socket_io/test_stray.py does not belong in it",
                f"{folder}pryv_socket_io/test_stray.py is a test",
                "requires_python is >=3.11, not >=3.10",
                "pryv>=0.1.0 is not an exact pin",
                "Issues is missing in its URLs",
                "Bugs does not belong in its URLs",
                "Typing :: Typed is missing in its classifiers",
                "the link docs/index.md in its README is not absolute",
                "the link https://github.com/pryv/lib-python/blob/main/nowhere.md in its README leads nowhere",
            ]
        )


def test_the_public_interface_is_compared_with_the_last_version(clone: Clone) -> None:
    done = clone.tool("api_diff.py")
    assert (done.returncode, done.stdout) == (0, "No version is tagged yet: there is nothing to compare with.\n")

    clone.git("tag", "v1.0.0")
    done = clone.tool("api_diff.py")
    assert (done.returncode, done.stdout) == (0, "Nothing that v1.0.0 has is removed or changed.\n")

    core = "packages/pryv/src/pryv"
    clone.replace(f"{core}/__init__.py", '    "Series",\n', "")
    clone.replace(f"{core}/_assets.py", "def get_url(", "def find_url(")
    clone.replace(f"{core}/connection.py", "def username(self", "def username(self, full: bool")
    clone.replace("packages/pryv-monitor/src/pryv_monitor/monitor.py", "def sync(", "def synchronize(")
    done = clone.tool("api_diff.py")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "pryv.Series: is no longer exported",
        "pryv._assets.ServiceAssets.get_url: Public object was removed",
        "pryv.connection.Connection.username: Parameter was added as required",
        "pryv_monitor.monitor.Monitor.sync: Public object was removed",
    ]


@frozen
class Index:
    """A package index: its URL, and where its files are."""

    url: str
    uploaded: Path


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    uploaded = tmp_path / "uploaded"
    uploaded.mkdir()
    program = Path(__file__).with_name("package_index.py")
    command = [sys.executable, "-W", "ignore", str(program), str(uploaded), USERNAME, PASSWORD]
    with Popen(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, text=True) as server:
        assert server.stdout
        yield Index(f"http://127.0.0.1:{server.stdout.readline().strip()}/", uploaded)
        server.communicate()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with a version that is tagged and built."""
    clone = Clone.of_the_repository(tmp_path_factory.mktemp("built") / "clone")
    clone.replace("CHANGELOG.md", "## Unreleased\n", "## Unreleased\n\nMore.\n")
    clone.commit()
    assert clone.just("version", VERSION).returncode == 0
    build(clone, *(name.replace("_", "-") for name in MODULES))
    return clone.directory


@pytest.fixture
def release(built: Path, tmp_path: Path) -> Clone:
    """A copy of that clone."""
    return Clone(shutil.copytree(built, tmp_path / "release"))


def publish(release: Clone, index: Index, answer: str = "yes\n", password: str = PASSWORD) -> "CompletedProcess[str]":
    account = {"TWINE_USERNAME": USERNAME, "TWINE_PASSWORD": password}
    return release.tool("publish.py", answer=answer, TWINE_REPOSITORY_URL=index.url, **account)


@pytest.mark.timeout(600)
def test_a_release_is_published_and_can_be_installed(release: Clone, index: Index) -> None:
    done = publish(release, index)
    assert done.returncode == 0, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    assert re.findall(r"Uploading (\w+)-", done.stdout) == [name for name in MODULES for _ in ("wheel", "sdist")]
    files = [f"{name}-{VERSION}{ending}" for name in MODULES for ending in (".tar.gz", "-py3-none-any.whl")]
    assert sorted(file.name for file in index.uploaded.iterdir()) == sorted(files)

    with fresh_environment() as environment:
        assert install(environment, index, "pryv-monitor") == {"pryv", "pryv-monitor"}
        assert environment.run("pryv-monitor", "--version").split()[-1] == VERSION
        assert install(environment, index, "pryv-monitor[socket]") == {"pryv", "pryv-monitor", "pryv-socket-io"}


def install(environment: Environment, index: Index, package: str) -> set[str]:
    """Installs a package from an index; returns what of the SDK, and of Socket.IO, is there then."""
    environment.uv_pip("install", "--index", f"{index.url}simple/", f"{package}=={VERSION}")
    installed = environment.uv_pip("freeze")
    assert ("python-socketio" in installed) == ("[socket]" in package)
    return set(re.findall(rf"(?m)^(pryv\S*)=={VERSION}$", installed))


@pytest.mark.parametrize("answer", ["", "\n", "no\n"])
def test_nothing_is_published_without_confirmation(release: Clone, index: Index, answer: str) -> None:
    done = publish(release, index, answer)
    assert done.returncode == 1
    packages = ", ".join(MODULES).replace("_", "-")
    assert f"{packages} {VERSION} go to {urlsplit(index.url).netloc}." in done.stdout
    assert "nothing was uploaded" in done.stderr
    assert list(index.uploaded.iterdir()) == []


def test_nothing_is_published_with_a_wrong_password(release: Clone, index: Index) -> None:
    done = publish(release, index, password="mistaken")
    assert done.returncode == 1
    assert "403" in done.stdout + done.stderr
    assert "mistaken" not in done.stdout + done.stderr
    assert list(index.uploaded.iterdir()) == []


def unclean(release: Clone) -> str:
    (release.directory / "stray.txt").touch()
    return "there are changes that are not committed"


def ahead(release: Clone) -> str:
    release.commit()
    return f"this commit has no tag v{VERSION}"


def untold(release: Clone) -> str:
    release.replace("CHANGELOG.md", "More.\n", "")
    text = (release.directory / "CHANGELOG.md").read_text()
    (release.directory / "CHANGELOG.md").write_text(text.partition(f"## {VERSION}")[0])
    release.commit()
    release.git("tag", "--force", f"v{VERSION}")
    return f"the changelog has no entries for {VERSION}"


@pytest.mark.parametrize("spoil", [unclean, ahead, untold])
def test_only_releases_are_published(release: Clone, index: Index, spoil: Callable[[Clone], str]) -> None:
    reason = spoil(release)
    done = publish(release, index)
    assert (done.returncode, done.stderr) == (1, f"publish: {reason}\n")
    assert list(index.uploaded.iterdir()) == []
    done = release.just("publish")
    assert reason in done.stderr
    assert "Checking" not in done.stdout  # nothing is built for that
