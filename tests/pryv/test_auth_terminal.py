"""Signing in from a terminal: its output, on a terminal and elsewhere, and the stored credentials."""

from __future__ import annotations

import html
import io
import json
import os
import pty
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import attrs
import pytest

from pryv import Connection, Service
from pryv.auth import AuthSettings, AuthState, AuthStates, MemoryStore, TerminalLogin

ASKED = {"requestingAppId": "pryv-terminal-tests", "requestedPermissions": [{"streamId": "diary", "level": "read"}]}
PAGE = "http://127.0.0.1:1/access.html?key=a&poll=b"
WAITING = AuthState(AuthStates.NEED_SIGNIN, key="a", auth_url=PAGE)
Make = Callable[..., TerminalLogin]
Account = tuple[str, str, Connection]


@pytest.fixture
def login(service: Service) -> Make:
    def make(file: TextIO, open_browser: bool = False, app_id: str = "pryv-terminal-tests") -> TerminalLogin:
        settings = AuthSettings({**ASKED, "requestingAppId": app_id})
        return TerminalLogin(settings, service, store=MemoryStore(), open_browser=open_browser, file=file)

    return make


class Terminal:
    """A terminal, from its screen's side."""

    def __init__(self) -> None:
        self._screen, program = pty.openpty()
        self.file = os.fdopen(program, "w", encoding="utf-8")
        self._shown = b""

    def wait_for(self, text: str) -> str:
        """Read on until a text is shown, and return all that was."""
        while text.encode() not in self._shown:
            self._shown += os.read(self._screen, 4096)
        return self._shown.decode()

    def close(self) -> None:
        self.file.close()
        os.close(self._screen)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    yield terminal
    terminal.close()


def test_a_terminal_shows_the_page_and_that_it_waits(login: Make, terminal: Terminal) -> None:
    ui = login(terminal.file)
    ui.on_state_change(WAITING)
    shown = terminal.wait_for("\\ Waiting")  # the third frame: it turns
    assert PAGE in shown
    ui.on_state_change(AuthState(AuthStates.AUTHORIZED, username="alice"))
    shown = terminal.wait_for("alice.\r\n")
    assert shown.endswith("\r\x1b[KSigned in as alice.\r\n")


def test_a_dumb_terminal_has_no_spinner(login: Make, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    ui = login(terminal.file)
    ui.on_state_change(WAITING)
    ui.on_state_change(AuthState(AuthStates.AUTHORIZED, username="alice"))
    shown = terminal.wait_for("alice.\r\n").replace("\r\n", "\n")
    assert shown == f"To sign in, and to accept or refuse, open this page:\n\n    {PAGE}\n\nSigned in as alice.\n"


def test_without_a_terminal_there_is_no_spinner(login: Make) -> None:
    log = io.StringIO()
    ui = login(log)
    ui.on_state_change(WAITING)
    ui.on_state_change(AuthState(AuthStates.REFUSED))
    assert (
        log.getvalue() == f"To sign in, and to accept or refuse, open this page:\n\n    {PAGE}\n\nAccess was refused.\n"
    )


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (AuthState(AuthStates.LOADING), ""),
        (AuthState(AuthStates.INITIALIZED), ""),
        (AuthState(AuthStates.AUTHORIZED, username="alice", api_endpoint="http://t@h/"), "Signed in as alice.\n"),
        (AuthState(AuthStates.AUTHORIZED, key="a"), "Access was given.\n"),
        (AuthState(AuthStates.SIGNOUT), "Signed out.\n"),
        (AuthState(AuthStates.ERROR, message="No more."), "Signing in failed: No more.\n"),
        (AuthState.failed(OSError("No more.")), ""),
    ],
)
def test_the_messages_of_the_states(login: Make, state: AuthState, said: str) -> None:
    log = io.StringIO()
    login(log).on_state_change(state)
    assert log.getvalue() == said


def test_messages_are_written_to_standard_error(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    ui = TerminalLogin(AuthSettings(ASKED), service, store=MemoryStore(), open_browser=False)
    ui.on_state_change(WAITING)
    captured = capsys.readouterr()
    assert PAGE in captured.err
    assert captured.out == ""


SHOW_THE_PAGE = """
import os, sys, threading
from pryv import Service
from pryv.auth import AuthSettings, AuthState, AuthStates, MemoryStore, TerminalLogin
os.umask(0)
settings = AuthSettings({"requestingAppId": "pryv-terminal-tests", "requestedPermissions": []})
ui = TerminalLogin(settings, Service(), store=MemoryStore())
ui.on_state_change(AuthState(AuthStates.NEED_SIGNIN, auth_url=sys.argv[1]))
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        thread.join()
ui.on_state_change(AuthState(AuthStates.REFUSED))
"""
BROWSER = """#!/bin/sh
cd {directory}
for argument; do printf '%s\\n' "$argument"; done > arguments
env > environment
file="${{1#file://}}"
stat -c '%a' "$file" "$(dirname "$file")" > modes
cat "$file" > page
tr '\\0' ' ' < /proc/$$/cmdline > commands
tr '\\0' ' ' < /proc/$PPID/cmdline >> commands
"""


@attrs.frozen
class Browser:
    """A browser that notes in its directory how it was started."""

    directory: Path
    name: str = "a-browser"

    @classmethod
    def made(cls, directory: Path, name: str = "a-browser") -> Browser:
        program = directory / name
        program.write_text(BROWSER.format(directory=shlex.quote(str(directory))))
        program.chmod(0o755)
        return cls(directory, name)

    @property
    def command(self) -> str:
        return f"{self.directory / self.name} %s"

    @property
    def was_started(self) -> bool:
        return (self.directory / "environment").exists()

    def noted(self, what: str) -> str:
        return (self.directory / what).read_text()


def show_the_page(
    browsers: str, path: str = os.defpath, page: str = PAGE, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Asks to sign in, in a process with these browsers and commands, until its browser ends."""
    environment = {"BROWSER": browsers, "PATH": path, "HOME": "/nowhere", **environment}
    command = [sys.executable, "-W", "error", "-c", SHOW_THE_PAGE, page]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True)


@pytest.mark.parametrize("home", ["own", "none", "read-only"])
def test_the_browser_opens_the_page_and_no_process_list_shows_its_url(tmp_path: Path, home: str) -> None:
    browser = Browser.made(tmp_path)
    places = {"own": str(tmp_path), "none": "/nowhere", "read-only": "/proc"}
    said = show_the_page(browser.command, HOME=places[home], PRYV_API_ENDPOINT="https://token@host/", PRYV_KEY="key")
    assert PAGE in said.stderr
    (argument,) = browser.noted("arguments").splitlines()
    assert argument.startswith(tmp_path.as_uri() if home == "own" else "file:///")
    assert "key=a" not in argument + browser.noted("commands")
    assert browser.noted("modes").split() == ["600", "700"]
    assert f"0;url={html.escape(PAGE)}" in browser.noted("page")
    assert "PRYV_" not in browser.noted("environment")
    assert not Path(argument.removeprefix("file://")).parent.exists()
    assert sorted(path.name for path in tmp_path.glob("pryv-sign-in-*")) == []


def test_the_temporary_page_is_removed_at_exit(tmp_path: Path) -> None:
    program = SHOW_THE_PAGE.partition("ui.on_state_change(AuthState(AuthStates.REFUSED")[0]
    environment = {"BROWSER": Browser.made(tmp_path).command, "PATH": os.defpath, "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program, PAGE], env=environment, capture_output=True, check=True)
    assert list(tmp_path.glob("pryv-sign-in-*")) == []


@pytest.mark.parametrize(
    "page",
    [
        "--gpu-launcher=sh -c id",
        "-h",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://host/ --gpu-launcher=sh",
        "https://user:password@host/",
        "https://host/\n\x1b]52;c;x\x07",
        "",
    ],
)
def test_a_url_that_is_not_http_is_neither_shown_nor_opened(tmp_path: Path, page: str) -> None:
    browser = Browser.made(tmp_path)
    said = show_the_page(browser.command, page=page)
    assert said.stderr == "The platform returned no sign-in page.\nAccess was refused.\n"
    assert not browser.was_started


def test_the_url_is_escaped_in_the_temporary_page(tmp_path: Path) -> None:
    browser = Browser.made(tmp_path)
    show_the_page(browser.command, page="https://host/\"'><script>alert(1)</script>")
    assert "<script>" not in browser.noted("page")
    assert "url=https://host/%22&#x27;%3E%3Cscript%3E" in browser.noted("page")


def test_modules_beside_the_program_are_not_those_of_the_browser(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "webbrowser.py").write_text("raise SystemExit")
    browser = Browser.made(tmp_path)
    show_the_page(browser.command, PYTHONPATH=str(tmp_path))
    assert browser.was_started


def test_a_frozen_program_does_not_start_itself(tmp_path: Path, monkeypatch: Any) -> None:
    browser = Browser.made(tmp_path)
    program = f"import sys; sys.frozen = True; {SHOW_THE_PAGE}"
    environment = {"BROWSER": browser.command, "PATH": os.defpath}
    command = [sys.executable, "-c", program, PAGE]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert PAGE in said.stderr
    assert not browser.was_started


def test_text_browsers_are_not_started(tmp_path: Path) -> None:
    browser = Browser.made(tmp_path, "w3m")
    show_the_page("w3m %s", f"{tmp_path}:{os.defpath}")
    assert not browser.was_started


@pytest.mark.parametrize("browsers", ["", "a-browser-that-does-not-exist %s", f"{shutil.which('false')} %s"])
def test_without_a_browser_the_url_is_enough(browsers: str) -> None:
    said = show_the_page(browsers, "/nowhere")
    assert PAGE in said.stderr
    assert "Traceback" not in said.stderr
    assert said.stdout == ""


SIGN_IN = """
import sys
from pryv import Connection
from pryv.auth import AuthSettings, AuthStates, setup_auth

states = []
asked = {"requestingAppId": "an-app", "requestedPermissions": [{"streamId": "*", "level": "read"}]}
service = setup_auth(AuthSettings(asked, states.append), sys.argv[1])
state = states[-1]
assert state.status == AuthStates.AUTHORIZED
with service.connect_from_key(state.key) if state.key else Connection(state.api_endpoint, service) as connection:
    print(connection.access_info()["name"])
"""
ACCEPT = """
import html, json, os, re, sys, urllib.parse, urllib.request
redirect = urllib.request.urlopen(sys.argv[1]).read().decode()
url = html.unescape(re.search('url=([^"]*)', redirect)[1])
page = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)
answer = {"status": "ACCEPTED", **json.loads(os.environ["ANSWER"])}
headers = {"Content-Type": "application/json"}
urllib.request.urlopen(urllib.request.Request(page["poll"][0], json.dumps(answer).encode(), headers))
"""


def test_stored_credentials_are_used_the_second_time(
    new_account: Callable[[], Account], platform_url: str, tmp_path: Path
) -> None:
    username, _, connection = new_account()
    permissions = [{"streamId": "*", "level": "read"}]
    access = connection.api_one(
        "accesses.create", {"type": "app", "name": "given to an-app", "permissions": permissions}, "access"
    )
    endpoint = connection.endpoint.replace("//", f"//{access['token']}@")
    browser = tmp_path / "browser.py"
    browser.write_text(ACCEPT)
    environment = {
        "HOME": str(tmp_path),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        "BROWSER": f"{shlex.quote(sys.executable)} {browser} %s",
        "ANSWER": json.dumps({"username": username, "token": access["token"], "apiEndpoint": endpoint}),
    }
    command = [sys.executable, "-c", SIGN_IN, platform_url]
    first, second = (
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True) for _ in range(2)
    )
    assert first.stdout == second.stdout == "given to an-app\n"
    assert "open this page" in first.stderr
    assert second.stderr == f"Signed in as {username}.\n"
    assert access["token"] not in first.stderr


def test_credentials_are_stored_by_app_and_platform(service: Service) -> None:
    store = MemoryStore()
    other = Service(None, {**service.info(), "register": "https://reg.elsewhere.example/"})
    apps = [
        TerminalLogin(AuthSettings({**ASKED, "requestingAppId": app_id}), platform, store=store)
        for app_id in ("an-app", "another")
        for platform in (service, other)
    ]
    for number, app in enumerate(apps):
        assert app.get_authorization_data() is None
        app.save_authorization_data({"apiEndpoint": f"https://token{number}@host/"})
    apps[0].delete_authorization_data()
    kept = [app.get_authorization_data() for app in apps]
    assert kept == [None, *({"apiEndpoint": f"https://token{number}@host/"} for number in (1, 2, 3))]
