"""Opens a page in a browser, and hides its URL from other users of the machine."""

from __future__ import annotations

import html
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

_REDIRECT = """<!DOCTYPE html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0;url={url}">
<title>Sign in</title>
<a href="{url}">Sign in</a>
"""
_OPEN = """
import sys, webbrowser
browser = webbrowser.get()
if getattr(browser, "basename", "") not in sys.argv[2:]:
    browser.open(sys.argv[1])
"""
_TEXT_BROWSERS = ("www-browser", "links", "elinks", "lynx", "w3m")


class PageInBrowser:
    """A page that a browser shows.

    The URL contains a key, and every user of the machine can see command lines. So the browser is started with a file
    that only its owner can read, and that redirects to the page, as Jupyter does
    (https://github.com/jupyter/notebook/pull/4260). The browser does not get environment variables such as
    `PRYV_API_ENDPOINT`.
    """

    def __init__(self) -> None:
        self._directory: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> PageInBrowser:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self, url: str) -> None:
        """Open the page, if there is a browser that does not run in the terminal, and a directory for the file.

        Args:
            url: The page, an http(s) URL.
        """
        self.close()
        if getattr(sys, "frozen", False) or not sys.executable:
            return  # sys.executable is this program, not an interpreter
        try:
            self._directory = _private_directory()
            file = Path(self._directory.name, "sign-in.html")
            with open(file, "x", encoding="utf-8", opener=_owner_only) as opened:
                opened.write(_REDIRECT.format(url=html.escape(url)))
        except OSError:
            return
        threading.Thread(target=_open, args=(file.as_uri(),), daemon=True).start()

    def close(self) -> None:
        """Remove the file; the browser keeps the page."""
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None


def _private_directory() -> tempfile.TemporaryDirectory[str]:
    """Make a directory that only its owner can read, in the home directory, where a browser in a sandbox can read it.

    Snaps can read neither `/tmp` nor hidden files in the home directory: https://snapcraft.io/docs/home-interface.
    """
    try:
        return tempfile.TemporaryDirectory(prefix="pryv-sign-in-", dir=Path.home(), ignore_cleanup_errors=True)
    except (OSError, RuntimeError):  # the home directory may be missing or read-only
        return tempfile.TemporaryDirectory(prefix="pryv-sign-in-", ignore_cleanup_errors=True)


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _open(url: str) -> None:
    """Open a URL from a separate process, as `webbrowser` passes on the whole environment."""
    subprocess.run(  # noqa: S603
        [sys.executable, "-I", "-c", _OPEN, url, *_TEXT_BROWSERS],
        env={name: value for name, value in os.environ.items() if not name.startswith("PRYV_")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        check=False,
    )
