"""What the commands of all packages have in common."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from pryv import Connection

SCRIPTS = {
    script.name: script.module.partition(".")[0]
    for script in entry_points(group="console_scripts")
    if script.module.startswith("pryv") and script.module.partition(".")[0] != "pryv_sandbox"
}
"""The commands, each with its package."""
Account = tuple[str, str, Connection]
WAITING = {"pryv": ["whoami"], "pryv-monitor": ["sync", "--anchor", "account.anchor", "--jsonl"]}
"""Arguments with which a command waits for the platform."""
METAVARS = "SECONDS|N|PORT|HOST:PORT|TIME|JSON"
"""The values of options that are not texts."""


@pytest.fixture
def silent_platform() -> Iterator[str]:
    """The API endpoint of a platform that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://token@127.0.0.1:{server.getsockname()[1]}/"


def run(*command: object) -> str:
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_package_is_its_command(script: str) -> None:
    path = Path(sys.executable).with_name(script)
    assert run(sys.executable, "-m", SCRIPTS[script], "--version") == run(path, "--version")
    assert run(sys.executable, "-m", SCRIPTS[script], "--help") == run(path, "--help")


@pytest.mark.parametrize("script", WAITING)
@pytest.mark.parametrize("is_module", [False, True], ids=["script", "module"])
def test_interrupts_at_any_moment(script: str, is_module: bool, silent_platform: str, tmp_path: Path) -> None:
    entry_point = ["-m", SCRIPTS[script]] if is_module else [str(Path(sys.executable).with_name(script))]
    command = [sys.executable, "-X", "importtime", *entry_point, *WAITING[script]]
    environment = os.environ | {"PRYV_API_ENDPOINT": silent_platform}
    for milliseconds in range(0, 360, 36):
        with subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if " argparse" in line:  # imported by what `start` runs: before, interrupts are up to Python
                    break
            time.sleep(milliseconds / 1000)
            process.send_signal(signal.SIGINT)
            said = process.stderr.read()
        assert [line for line in said.splitlines() if not line.startswith("import time:")] == []
        assert process.returncode == 130


class Help:
    """The help of a script and of its commands."""

    def __init__(self, script: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.main = import_module(f"{SCRIPTS[script]}.cli").main
        self._capsys = capsys
        self.text = self.of()
        self.commands = re.findall(r"^    ([a-z-]+) ", self.text, re.MULTILINE)

    def of(self, *arguments: str) -> str:
        with pytest.raises(SystemExit, match="0"):
            self.main([*arguments, "--help"])
        return self._capsys.readouterr().out


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_command_has_the_common_options_and_an_example(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = Help(script, capsys)
    assert "exit codes: 0 done, 2 usage, 69 platform out of reach" in shown.text
    assert "completion" in shown.commands
    for command in shown.commands:
        help_of_command = shown.of(command)
        assert {"--profile", "--verbose"} <= set(re.findall("--[a-z]+", help_of_command))
        assert f"{script} {command}" in help_of_command.partition("example:")[2]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_wrong_value_of_an_option_is_refused_in_words(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = Help(script, capsys)
    options = [
        (command, option)
        for command in shown.commands
        for option in re.findall(rf"^  (--[a-z-]+) (?:{METAVARS})\b", shown.of(command), re.MULTILINE)
    ]
    for command, option in options:
        with pytest.raises(SystemExit, match="2"):
            shown.main([command, option, "x:y"])
        said = capsys.readouterr().err
        assert option in said
        assert set(re.findall(r"invalid (\w+) value", said)) <= {"int", "float"}
    assert options


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_shells_can_read_the_completion(script: str, shell: str, tmp_path: Path) -> None:
    text = run(Path(sys.executable).with_name(script), "completion", shell)
    assert "completion" in text
    if program := shutil.which(shell):
        (tmp_path / "script").write_text(text)
        run(program, "-n", tmp_path / "script")


def test_the_log_is_written_with_quiet_too(new_account: Callable[[], Account], tmp_path: Path) -> None:
    _, _, connection = new_account()
    command = [str(Path(sys.executable).with_name("pryv-monitor")), *WAITING["pryv-monitor"], "--quiet"]
    environment = os.environ | {"PRYV_API_ENDPOINT": connection.api_endpoint}
    for options, logged in (([], False), (["-v"], True)):
        done = subprocess.run(
            [*command, *options], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert ("callBatch → 200" in done.stderr) is logged
        assert (done.stderr == "") is not logged
        assert str(connection.token) not in done.stderr
