"""What the pages say about deployment works: units, compose files, schedulers."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.accounts import Account
from tests.fleet.brokers import accepts, free_ports
from tests.fleet.persons import access_to
from tests.waiting import wait_for

from pryv_fleet import Fleet

yaml = pytest.importorskip("yaml")

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "guides"
PROGRAMS = Path(sys.executable).parent


def blocks(page: str, language: str) -> list[str]:
    """Return the blocks of code of a language in a guide."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (GUIDES / page).read_text(), re.DOTALL | re.MULTILINE)


UNITS = {text.splitlines()[0].rpartition("/")[2]: text for text in blocks("fleet-deployment.md", "ini")}
COMPOSE = [yaml.safe_load(text) for text in blocks("fleet-deployment.md", "text") if "\nservices:" in text]
SCHEDULERS = ["airflow", "dagster", "prefect"]


@pytest.fixture
def place(fleet: Fleet, key: str, tmp_path: Path) -> Path:
    """A directory with the secrets, and with a `pip` that installs nothing: all is installed."""
    (tmp_path / "dsn").write_text(f"{fleet._database._dsn}\n")
    (tmp_path / "key").write_text(f"{key}\n")
    pip = tmp_path / "bin" / "pip"
    pip.parent.mkdir()
    pip.write_text("#!/bin/sh\n")
    pip.chmod(0o755)
    return tmp_path


def environment(place: Path, settings: dict[str, str]) -> dict[str, str]:
    """Return the environment of a process of a deployment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PRYV_FLEET")}
    return {**kept, "PATH": f"{place / 'bin'}:{PROGRAMS}:{os.environ['PATH']}", **settings}


@contextmanager
def running(command: list[str], place: Path, settings: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run a command until it is terminated, as a supervisor does; it has to end well."""
    with subprocess.Popen(
        command,
        cwd=place,
        env=environment(place, settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            printed, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, printed
    assert "Traceback" not in printed


@pytest.fixture
def account(fleet: Fleet, new_account: Callable[[], Account]) -> str:
    """The name of an account that was added."""
    return fleet.add(access_to(new_account())).name


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_valid(name: str, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("needs systemd-analyze")
    unit = tmp_path / name.replace("@", "@1")
    unit.write_text(UNITS[name].replace("/opt/pryv-fleet/bin", str(PROGRAMS)))
    done = subprocess.run([analyze, "verify", unit], capture_output=True, text=True)
    assert (done.returncode, [line for line in done.stderr.splitlines() if unit.name in line]) == (0, [])


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_runs(name: str, fleet: Fleet, place: Path, account: str) -> None:
    (port,) = free_ports(1)
    unit = UNITS[name].replace("%d", str(place)).replace("%i", "1")
    found = dict(line.split("=", 1) for line in unit.splitlines() if "=" in line)
    assert (found["DynamicUser"], found["Restart"]) == ("yes", "always")
    settings = dict(pair.split("=", 1) for pair in shlex.split(found["Environment"]))
    command = shlex.split(found["ExecStart"].replace("/opt/pryv-fleet/bin", str(PROGRAMS)))
    command[-1] = re.sub(r"[0-9]+$", str(port), command[-1])
    with running(command, place, settings):
        wait_for(lambda: accepts(port), seconds=60)
        if "run" in command:
            wait_for(lambda: fleet.account(account).synced)
            assert "pryv_fleet_up 1.0" in requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
        else:
            assert requests.post(f"http://127.0.0.1:{port}/pryv/unknown", timeout=10).status_code == 404


def local(text: str, place: Path, port: int, broker: str) -> str:
    """Return a text of a compose file, with what there is here in place of what containers have."""
    names = {"/run/secrets": str(place), "amqp://rabbitmq": broker, "$$": "$", "0.0.0.0:8080": f"0.0.0.0:{port}"}
    for there, here in {**names, "8080": str(port), "/tmp/beat": str(place / "beat")}.items():
        text = text.replace(there, here)
    return text


def check(service: dict[str, Any], place: Path, settings: dict[str, str], adapt: Callable[[str], str]) -> bool:
    """Run the health check of a service, and return whether it is well."""
    test = service["healthcheck"]["test"]
    command = test[1:] if isinstance(test, list) else ["sh", "-c", test]
    done = subprocess.run([adapt(part) for part in command], cwd=place, env=environment(place, settings))
    return done.returncode == 0


def run_compose(compose: dict[str, Any], fleet: Fleet, place: Path, account: str, broker: str) -> None:
    """Run the services of a compose file that have a command, until all are healthy and the account was passed."""
    (port,) = free_ports(1)
    (place / "tasks.py").write_text(blocks("celery.md", "python")[1])

    def adapt(text: str) -> str:
        return local(text, place, port, broker)

    with ExitStack() as stack:
        for name, service in compose["services"].items():
            assert service["restart"] == "always"
            for secret in service.get("secrets", []):
                assert compose["secrets"][secret]["file"] == f"secrets/{secret}"
            if "command" in service:
                settings = {key: adapt(value) for key, value in service["environment"].items()}
                command = shlex.split(adapt(service["command"]))
                process = stack.enter_context(running(command, place, settings))
                stack.callback(print, name)  # shown if it does not end well
                wait_for(lambda p=process: p.poll() is None)  # type: ignore[misc]
        wait_for(lambda: fleet.account(account).synced, seconds=60)
        for service in compose["services"].values():
            if "healthcheck" in service and "command" in service:
                settings = {key: adapt(value) for key, value in service["environment"].items()}
                settings["HOSTNAME"] = os.uname().nodename
                wait_for(lambda s=service, e=settings: check(s, place, e, adapt), seconds=60)  # type: ignore[misc]


def test_compose_files_are_valid(tmp_path: Path) -> None:
    """As their specification has it, which `check-jsonschema` brings."""
    check = PROGRAMS / "check-jsonschema"
    if not check.exists():
        pytest.skip("needs check-jsonschema")
    files = [tmp_path / f"{number}.yaml" for number in range(len(COMPOSE))]
    for file, compose in zip(files, COMPOSE, strict=True):
        file.write_text(yaml.safe_dump(compose))
    done = subprocess.run([check, "--builtin-schema", "vendor.compose-spec", *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_compose_file_runs(fleet: Fleet, place: Path, account: str) -> None:
    assert list(COMPOSE[0]["services"]) == ["db", "worker", "hooks"]
    run_compose(COMPOSE[0], fleet, place, account, "")


@pytest.mark.long
def test_the_compose_file_with_celery_runs(fleet: Fleet, place: Path, account: str, rabbitmq_url: str) -> None:
    assert list(COMPOSE[1]["services"]) == ["db", "rabbitmq", "worker", "beat", "hooks"]
    run_compose(COMPOSE[1], fleet, place, account, rabbitmq_url)


@pytest.mark.parametrize("page", SCHEDULERS)
def test_the_program_of_a_page_is_python(page: str) -> None:
    (program,) = (text for text in blocks(f"{page}.md", "text") if text.startswith("# pryv_fleet_"))
    assert "dsn_from_environment()" in program
    compile(program, page, "exec")
