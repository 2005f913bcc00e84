"""The recorded exchanges with the real platform, as they are and with every name and number in them changed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pryv_sandbox import Sandbox

RECORDINGS = Path(__file__).parents[3] / "shared" / "wire"
TOPICS = ("platform", "auth", "streams", "events", "batch", "attachments", "series", "accesses", "webhooks", "account")

# Lists are sorted by name: the other names keep the order.
OTHER_WORDS = {
    "diary": "logbook7", "heart": "cardio2", "health": "wellbeing", "weight": "massy", "Journal": "Kept Log",
    "Heart": "Cardio", "Health": "Hale", "Body weight": "Body massy", "wire-app-test": "just-some-app",
    "wire-recorder": "mine-recorder", "For doctor": "For nurse", "note/txt": "note/html", "frequency/bpm": "mass/kg",
    "custom/thing": "strange/stuff", "Bad Id!": "Ugly Id!", "Bad-Id": "Ugly-Id", "wirecigdwv": "zorro77x",
    "My Fancy Stream é": "Other Strëam", "nope": "gone1", "claaaaaaaaaaaaaaaaaaaaaaa": "cqqqqqqqqqqqqqqqqqqqqqqqq",
    "after run": "after rest", "app:x": "app:q", "theme": "skin", "dark": "pale", "Bob": "Ann", "nick": "nom",
}  # fmt: skip
OTHER_NUMBERS = {
    r"\b1385046(8|9)(\d\d\.\d+)": r"1296046\1\2",
    r'"content": 90\b': '"content": 71',
    r'"content": 91\b': '"content": 72',
    r'\\"in\\": \[90\]': r'\\"in\\": [71]',
    r'"systolic": 120': '"systolic": 133',
    r'"duration": 60': '"duration": 44',
    r'"expireAfter": 3600': '"expireAfter": 7200',
}

pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not beside the checkout")


def replay(sandbox: Sandbox, directory: Path) -> str:
    """The last line of a replay of the recordings in a directory, in which nothing differs."""
    topics = [argument for topic in TOPICS for argument in ("--topic", topic)]
    command = [sys.executable, str(directory / "replay.py"), sandbox.url, *topics]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout.splitlines()[-1]


def test_answers_as_recorded() -> None:
    with Sandbox() as sandbox:
        assert replay(sandbox, RECORDINGS) == "196 of 196 exchanges match"


def test_answers_by_the_rule_and_not_by_the_case(tmp_path: Path) -> None:
    for file in RECORDINGS.iterdir():
        text = file.read_text(encoding="utf8")
        for word, other in OTHER_WORDS.items():
            text = text.replace(word, other) if file.suffix == ".json" or word == "diary" else text
        if file.suffix == ".json":
            for number, other in OTHER_NUMBERS.items():
                text = re.sub(number, other, text)
        (tmp_path / file.name).write_text(text, encoding="utf8")
    with Sandbox() as sandbox:
        assert replay(sandbox, tmp_path) == "196 of 196 exchanges match"
