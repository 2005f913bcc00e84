"""A verification needs no platform, and finds every byte that is missing, changed or extra."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.backup.content import digest, files_of

from pryv import Connection
from pryv_backup import BackupError, Verification, backup, verify


@given(data=st.data())
def test_any_changed_byte_is_found(made: Path, data: st.DataObject) -> None:
    files = files_of(made)
    path = data.draw(st.sampled_from(sorted(path for path in files if files[path])))
    file, content = made / path, files[path]
    place = data.draw(st.integers(0, len(content) - 1))
    other = data.draw(
        st.sampled_from(
            [
                content[:place] + bytes([content[place] ^ 1 << data.draw(st.integers(0, 7))]) + content[place + 1 :],
                content[:place] + content[place + 1 :],
                content[:place],
                content[:place] + b" " + content[place:],
                content + b"\n",
            ]
        )
    )
    file.write_bytes(other)
    try:
        found = verify(made)
    finally:
        file.write_bytes(content)
    assert not found.ok
    assert path in found.mismatches
    assert (found.missing, found.extra) == ((), ())


def test_missing_and_extra_files_are_found(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(made, folder)
    assert verify(folder) == verify(tmp_path) == Verification(ok=True)
    (folder / "streams.json").unlink()
    (folder / "attachments" / "extra").touch()
    (folder / "hf-data" / "deeper").mkdir()
    (folder / "hf-data" / "deeper" / "extra").touch()
    found = verify(folder)
    assert (found.ok, found.missing) == (False, ("streams.json",))
    assert found.extra == ("attachments/extra", "hf-data/deeper/extra")
    shutil.rmtree(folder / ".state")
    assert verify(folder) == found
    (folder / "manifest.json").unlink()
    assert verify(folder) == Verification(ok=False, missing=("manifest.json",))
    with pytest.raises(BackupError, match="no backup"):
        verify(Path(__file__).parent)


def test_a_backup_with_an_extra_file_is_not_ok(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(made, folder)
    (folder / "extra").touch()
    assert verify(folder) == Verification(ok=False, extra=("extra",))


def test_manifests_of_the_other_tool_are_read(tmp_path: Path) -> None:
    (tmp_path / "streams.json").write_text("{}")
    files = {"streams.json": digest(b"{}"), "../secret": digest(b"")}
    (tmp_path.parent / "secret").touch()
    manifest = {"algorithm": "sha256", "version": 1, "file_count": 1, "files": files}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert verify(tmp_path) == Verification(ok=False, missing=("../secret",))
    del files["../secret"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert verify(tmp_path).ok
    (tmp_path / "streams.json").write_text("[]")
    assert verify(tmp_path).mismatches == ("streams.json",)


def test_state_files_of_the_other_tool_are_not_extra(made: Path, tmp_path: Path) -> None:
    names = (".state.json", ".sync-state.json", "sync-state.json")
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "streams.json").write_text("{}")
    (folder / "manifest.json").write_text(json.dumps({"files": {"streams.json": digest(b"{}")}}))
    for name in names:
        (folder / name).touch()
    assert verify(folder).ok
    (folder / "manifest.json").write_text(json.dumps({"files": {"sync-state.json": digest(b"changed")}}))
    assert verify(folder) == Verification(ok=False, mismatches=("sync-state.json",), extra=("streams.json",))
    shutil.copytree(made, tmp_path / "own")
    for name in names:
        (tmp_path / "own" / name).touch()
    assert verify(tmp_path / "own").extra == names


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{", "{}", '{"files": 1}', "\udcff", "[" * 100_000),
        *(
            f'{{"files": {{}}, "{name}": 1}}'
            for name in ("sizes", "counts", "unreadable", "anchor", "secrets", "endpoint")
        ),
    ],
)
def test_an_invalid_manifest_is_found(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_bytes(text.encode(errors="surrogateescape"))
    assert verify(tmp_path) == Verification(ok=False, mismatches=("manifest.json",))


def test_a_damaged_manifest_is_not_continued(account: Connection, folder: Path) -> None:
    backup(account, folder)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(BackupError, match="manifest is damaged"):
        backup(account, folder)
    (folder / "manifest.json").unlink()
    backup(account, folder)
    assert verify(folder).ok
