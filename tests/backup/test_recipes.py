"""The guide's recipe for encrypted archives."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.backup.content import files_of

from pryv import Connection
from pryv_backup import backup, verify

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "backup.md"


def commands() -> list[str]:
    """The command lines of the blocks that use age."""
    section = GUIDE.read_text(encoding="utf-8").partition("## Encrypt it")[2].partition("\n## ")[0]
    return [block for block in re.findall(r"```text\n(.*?)```", section, re.DOTALL) if "age" in block]


@pytest.mark.skipif(shutil.which("age") is None, reason="age is not installed")
def test_an_archive_is_encrypted_and_decrypted(full_account: Connection, tmp_path: Path) -> None:
    backup(full_account, tmp_path / "alice")
    encrypting, decrypting = commands()
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def run(script: str) -> None:
        command = ["bash", "-euo", "pipefail", "-c", script]
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)

    run(encrypting)
    assert b"note/txt" not in (tmp_path / "alice.tar.age").read_bytes()
    run(decrypting)
    assert verify(tmp_path / "decrypted").ok
    assert files_of(tmp_path / "decrypted" / "alice") == files_of(tmp_path / "alice")
    assert (tmp_path / "decrypted" / "alice").stat().st_mode & 0o777 == 0o700
