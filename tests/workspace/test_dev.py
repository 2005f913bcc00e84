import os
import runpy
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    target = tmp_path / "a fresh clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, target], check=True)
    return target


def hide(directory: Path, *modules: str) -> dict[str, str]:
    """Makes a Python started with this environment one that came without these modules."""
    hidden = "".join(f"sys.modules[{module!r}] = None\n" for module in modules)
    (directory / "sitecustomize.py").write_text(f"import sys\n{hidden}")
    return {"PYTHONPATH": str(directory)}


def dev(clone: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Runs the clone's ./dev with the Python below this environment's, and nothing of this environment."""
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    python = Path(sys.base_prefix) / "bin" / "python3"
    command = [str(python), str(clone / "dev"), *arguments]
    return subprocess.run(command, env=environment | variables, capture_output=True, text=True, check=False)


@pytest.mark.long
@pytest.mark.parametrize("missing", [(), ("ensurepip",)])
def test_sets_up_a_fresh_clone(clone: Path, tmp_path: Path, missing: tuple[str, ...]) -> None:
    first = dev(clone, "setup", HOME="", **hide(tmp_path, *missing))
    assert first.returncode == 0, first.stderr
    imports = "import pryv, pryv_socket_io, pryv_monitor, pryv_encryption, pryv_backup, pryv_fleet, pryv_sandbox"
    subprocess.run([clone / ".venv" / "bin" / "python", "-c", imports], check=True)

    second = dev(clone)
    assert "test package" in second.stdout
    assert second.stderr == ""

    from_within: list[str | Path] = [clone / ".venv" / "bin" / "python", clone / "dev", "uv", "--version"]
    third = subprocess.run(from_within, capture_output=True, text=True, check=True)
    assert third.stdout.startswith("uv ")
    assert third.stderr == ""
    assert subprocess.run(["git", "-C", clone, "status", "--porcelain"], capture_output=True, check=True).stdout == b""


def test_another_python_leaves_an_environment_as_it_is(clone: Path, tmp_path: Path) -> None:
    (clone / "dev").write_bytes((ROOT / "dev").read_bytes())
    venv.create(clone / ".venv", with_pip=False, symlinks=True)
    (clone / ".venv" / "tools" / "bin").mkdir(parents=True)
    (clone / ".venv" / "tools" / "bin" / "just").symlink_to(shutil.which("echo") or "")
    own = runpy.run_path(str(clone / "dev"))
    made_from = f"{os.path.realpath(sys.executable)} {sys.version_info[:2]} {clone}\n{own['digest']()}\n"
    (clone / ".venv" / "made-from").write_text(made_from)
    inode = (clone / ".venv" / "pyvenv.cfg").stat().st_ino

    venv.create(tmp_path / "another", with_pip=False, symlinks=False)  # another executable, so another Python to ./dev
    done = subprocess.run(
        [tmp_path / "another" / "bin" / "python3", clone / "dev", "test"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("test\n")
    assert done.stderr == ""
    assert (clone / ".venv" / "pyvenv.cfg").stat().st_ino == inode
    assert (clone / ".venv" / "made-from").read_text() == made_from


def test_says_what_to_install_where_pip_is_missing(clone: Path, tmp_path: Path) -> None:
    done = dev(clone, "setup", **hide(tmp_path, "ensurepip", "pip"))
    assert done.returncode == 1
    assert "python3-venv" in done.stderr
    assert "Traceback" not in done.stderr


def test_pip_settings_are_passed_to_uv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = tmp_path / "pip.conf"
    settings.write_text(
        "[global]\nindex-url = https://one.example/simple\nfind-links = /a /b\nextra-index-url = https://two.example\n"
    )
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    monkeypatch.setenv("PIP_INDEX_URL", "https://three.example/simple")
    monkeypatch.setenv("UV_FIND_LINKS", "/c")

    environment = runpy.run_path(str(ROOT / "dev"))["uv_environment"]([sys.executable, "-m", "pip"])

    assert environment["UV_DEFAULT_INDEX"] == "https://three.example/simple"
    assert environment["UV_INDEX"] == "https://two.example"
    assert environment["UV_FIND_LINKS"] == "/c"
