"""Folders are read as data, whoever made them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv.addons import replace_file
from pryv_backup import BackupError, BackupFolder, read
from pryv_backup._layout import events_file, is_events_file

texts = st.text(st.characters(codec=None, exclude_categories=[]), max_size=8)
numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
contents = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=8,
)
formats = st.fixed_dictionaries(
    {
        "indent": st.none() | st.integers(0, 3),
        "ensure_ascii": st.booleans(),
        "separators": st.sampled_from([(",", ":"), (" , ", "\n:\t")]),
    }
)


def write(folder: Path, name: str, document: Any, **form: Any) -> None:
    folder.mkdir(exist_ok=True)
    text = json.dumps(document, **form)
    try:
        data = text.encode()
    except UnicodeEncodeError:  # a lone surrogate is written as an escape
        data = json.dumps(document, **{**form, "ensure_ascii": True}).encode()
    (folder / name).write_bytes(data)


def event(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": f"event-{number}", "time": number, "modified": number, "streamIds": ["a"], "type": "a/b", **fields}


@given(values=st.lists(contents, max_size=6), form=formats)
def test_events_are_those_that_json_reads(values: Any, form: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("read") / "backup"
    events = [event(number, content=value) for number, value in enumerate(values)]
    write(folder, "events-1970-01.json", {"meta": {"events": [1]}, "events": events, "eventDeletions": []}, **form)
    expected = json.loads((folder / "events-1970-01.json").read_bytes())["events"]
    found = list(read(folder).events())
    assert json.dumps(found) == json.dumps(expected)  # 1 is not 1.0 there


@pytest.mark.parametrize(
    "text",
    [
        r'"\ud83d\ude00"',
        r'"\ud83d"',
        r'"\ude00\ud83d"',
        r'"\ud83d\ud83d\ude00"',
        r'"\\ud83d"',
        r'"\\\ud83d"',
        r'"\ud83dx\u0041\uDE00"',
        r'{"\ud83d": 1, "\ude00": 2}',
        "1e400",
        "-0.0",
        "-0",
        "1E5",
        "123456789012345678901234567890",
        "0.1000000000000000055511151231257827",
    ],
)
@pytest.mark.parametrize("padding", [0, 65_400, 65_467, 65_470, 65_473])
def test_odd_texts_are_read_as_json_reads_them(tmp_path: Path, text: str, padding: int) -> None:
    """An escape may be cut in two at the end of a block, of 64 KiB."""
    document = f'{{"events": [{{"id": "a", "description": "{"x" * padding}", "content": [{text}, "\\u00e9"]}}]}}'
    (tmp_path / "events.json").write_text(document)
    assert repr(list(read(tmp_path).events())) == repr(json.loads(document)["events"])


def test_the_latest_version_counts_and_deleted_events_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, "events-1970-01.json", {"events": [event(n) for n in range(6)]})
    write(tmp_path, "events-1970-02.json", {"events": [event(2, content="same time, later file")]})
    late = [event(0, modified=10, content="latest"), event(1, modified=0.5, content="older"), event(9)]
    deletions = [{"id": "event-3", "deleted": 20}, {"id": "event-0", "deleted": 5}, {"id": "unknown", "deleted": 1}]
    write(tmp_path, "events-incremental-2.json", {"events": late, "eventDeletions": deletions})
    write(tmp_path, "events-incremental-1.json", {"events": [event(0, modified=9)]})
    write(tmp_path, "event-deletions.json", {"eventDeletions": [{"id": "event-4", "deleted": 4}, {"id": "event-5"}]})
    events = {item["id"]: item for item in read(tmp_path).events()}
    assert list(events) == ["event-1", "event-2", "event-9", "event-0"] or set(events) == {
        *("event-0", "event-1", "event-2", "event-9")
    }
    assert events["event-0"]["content"] == "latest"
    assert "content" not in events["event-1"]
    assert events["event-2"]["content"] == "same time, later file"
    assert len(list(read(tmp_path).events())) == 4


def test_a_run_does_not_hide_events(tmp_path: Path) -> None:
    """In a file that a run replaces, events are in other places."""
    for month in (1, 2):
        write(tmp_path, f"events-1970-0{month}.json", {"events": [event(10 * month + n) for n in range(3)]})
    events = read(tmp_path).events()
    assert next(events)["id"] == "event-10"
    with replace_file(str(tmp_path / "events-1970-02.json")) as file:
        file.write(json.dumps({"events": [event(n) for n in (7, 20, 21, 22)]}).encode())
    assert [next(events)["id"] for _ in range(2)] == ["event-11", "event-12"]
    with pytest.raises(BackupError, match=r"events-1970-02\.json: a run has changed it"):
        next(events)
    assert len(list(read(tmp_path).events())) == 7


def test_the_folder_may_be_the_one_above(tmp_path: Path) -> None:
    for name in ("pryv.me_alice", "pryv.me_bob"):
        write(tmp_path / name, "events.json", {"events": [event(1)]})
        if name == "pryv.me_alice":
            assert read(tmp_path).path == tmp_path / name
    with pytest.raises(BackupError, match="2 backups"):
        read(tmp_path)
    assert len(list(read(tmp_path / "pryv.me_bob").events())) == 1
    with pytest.raises(BackupError, match="no backup"):
        read(Path(__file__).parent)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "missing")


def test_attachments_of_the_other_tool_are_found(tmp_path: Path) -> None:
    attachments = [{"id": "f1", "fileName": "a.txt"}, {"id": "f2", "fileName": "b"}, {"id": "f3", "fileName": "b"}]
    write(tmp_path, "events.json", {"events": [event(1, attachments=attachments), event(2, attachments="none")]})
    (tmp_path / "attachments").mkdir()
    for name in ("a.txt", "b"):
        (tmp_path / "attachments" / f"event-1_{name}").write_text(name)
    assert read(tmp_path).attachment("event-1", "f1").read_text() == "a.txt"
    for event_id, file_id in (("event-1", "f2"), ("event-1", "f9"), ("event-2", "f1"), ("event-9", "f1")):
        with pytest.raises(FileNotFoundError, match=file_id):  # one file cannot be both of them
            read(tmp_path).attachment(event_id, file_id)


@pytest.mark.skipif(sys.platform == "win32", reason="file names cannot have these characters")
@pytest.mark.parametrize("name", ['a:b?c*"<d>|e\\f.txt', "tab\tand\nline", "\x7f\x9f"])
def test_attachments_of_the_other_tool_have_any_name(tmp_path: Path, name: str) -> None:
    write(tmp_path, "events.json", {"events": [event(1, attachments=[{"id": "f1", "fileName": name}])]})
    (tmp_path / "attachments").mkdir()
    (tmp_path / "attachments" / f"event-1_{name}").write_text("A")
    assert read(tmp_path).attachment("event-1", "f1").read_text() == "A"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "{",
            "[]",
            "[]x",
            '{"events": [{"id": "a"}',
            '{"events": [1]}',
            '{"events": [{}]}',
            '{"events": [{"id": 1}]}',
        ),
        *('{"events": {}}', '{"events": null}', '{"events": [{"id": "a", "content": NaN}]}'),
        *(f'{{"events": [{{"id": "a", "{key}": [1]}}]}}' for key in ("time", "streamIds", "clientData")),
        '{"error": {"id": "forbidden", "message": "No."}}',
        '{"meta": {}, "error": null}',
        '{"events": [], "eventDeletions": [{"deleted": 1}]}',
        '{"events": [], "eventDeletions": [1]}',
        '{"events": [{"deleted": 1}]}',
    ],
)
def test_damaged_files_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "events.json").write_text(text)
    with pytest.raises(BackupError, match=r"events\.json"):
        list(read(tmp_path).events())


@pytest.mark.parametrize("text", ["[" * 100_000, "1" + "0" * 5_000], ids=["depth", "digits"])
def test_data_that_would_exhaust_a_parser_are_damage(tmp_path: Path, text: str) -> None:
    """With ijson, which is used no more, the first took all memory and the second was a segmentation fault."""
    (tmp_path / "events.json").write_text(f'{{"events": [{{"id": "a", "content": {text}')
    with pytest.raises(BackupError, match=r"events\.json"):
        list(read(tmp_path).events())


def test_attachments_of_the_other_tool_are_looked_up_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 50
    passes: list[int] = []
    write(
        tmp_path,
        "events.json",
        {"events": [event(n, attachments=[{"id": "f", "fileName": "a"}]) for n in range(count)]},
    )
    (tmp_path / "attachments").mkdir()
    for number in range(count):
        (tmp_path / "attachments" / f"event-{number}_a").write_text(str(number))
    archive, events = read(tmp_path), BackupFolder.events

    def counted(folder: BackupFolder) -> Iterator[dict[str, Any]]:
        passes.append(1)
        return events(folder)

    monkeypatch.setattr(BackupFolder, "events", counted)
    assert [archive.attachment(f"event-{n}", "f").read_text() for n in range(count)] == [*map(str, range(count))]
    assert len(passes) == 1


def test_deletions_among_the_events_are_no_events(tmp_path: Path) -> None:
    gone = [{"id": "event-1", "deleted": 5}, {"id": "event-2", "deleted": 1}, {"id": "event-9", "deleted": 1}]
    write(tmp_path, "events-1970-01.json", {"events": [event(n) for n in range(4)]})
    without_time = [{"id": "event-3", "deleted": None}]
    write(tmp_path, "events-incremental-1.json", {"events": gone, "eventDeletions": without_time})
    archive = read(tmp_path)
    assert [item["id"] for item in archive.events()] == ["event-0", "event-2"]
    assert sorted(item["id"] for item in archive.deletions()) == ["event-1", "event-2", "event-3", "event-9"]


def test_other_documents(tmp_path: Path) -> None:
    (tmp_path / "streams.json").write_bytes(b'\xef\xbb\xbf{"streams": [{"id": "a"}]}')
    (tmp_path / "events.json").write_bytes(b'\xef\xbb\xbf{"events": [{"id": "a"}]}')
    assert read(tmp_path).streams() == [{"id": "a"}]
    assert list(read(tmp_path).events()) == [{"id": "a"}]
    trees = ("1", "[1]", '[{"name": "a"}]', '[{"id": 1}]', '[{"id": "a", "children": 1}]')
    for text in ("[]", "{", "{}", *(f'{{"streams": {tree}}}' for tree in trees)):
        (tmp_path / "streams.json").write_text(text)
        with pytest.raises(BackupError, match=r"streams\.json"):
            read(tmp_path).streams()
    for name in ("missing.json", "hf-data/missing.json"):
        with pytest.raises(FileNotFoundError):
            read(tmp_path).document(name)
    with pytest.raises(BackupError, match="not a path in the folder"):
        read(tmp_path).document("../streams.json")
    (tmp_path / "hf-data").mkdir()
    (tmp_path / "hf-data" / "a.json").write_text('{"fields": [1], "points": []}')
    with pytest.raises(BackupError, match=r"a\.json"):
        read(tmp_path).points("a")
    assert repr(read(tmp_path)) == f"BackupFolder({str(tmp_path)!r})"


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**15), 10**15) | st.integers(-63 * 10**9, 0))
def test_a_month_begins_with_its_first_moment(time: float) -> None:
    name = events_file(time)
    assert is_events_file(name)
    if name != "events-far.json":
        assert events_file(time // 1) == name
    else:
        assert not -62_135_596_800 <= time < 253_402_300_800


MEASURE = """
import re, sys
from pryv_backup import read
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
archive = read(sys.argv[1])
next(archive.events(), None)
before = peak()
count = sum(1 for _ in archive.events())
print(count, peak() - before)
"""


def test_memory_grows_by_ids_only(tmp_path: Path) -> None:
    with (tmp_path / "events.json").open("w") as file:
        file.write('{"events": [')
        for number in range(1000):
            file.write(json.dumps(event(number, content="x" * 40_000)) + ("," if number < 999 else "]}"))
    done = subprocess.run([sys.executable, "-c", MEASURE, str(tmp_path)], capture_output=True, text=True, check=True)
    count, grown = map(int, done.stdout.split())
    assert count == 1000
    assert grown < 8 << 20  # of 40 MB
