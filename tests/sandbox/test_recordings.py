"""The recorded exchanges with the real platform, as they are and with every name and number in them changed."""

from __future__ import annotations

import base64
import re

import pytest

from pryv_sandbox import Sandbox

from .hook import answer
from .recordings import FIRST, SECOND, Edit, Recording, Replay

# Lists are sorted by name: the other names keep the order.
OTHER_WORDS = {
    "diary": "logbook7", "heart": "cardio2", "health": "wellbeing", "weight": "massy", "Journal": "Kept Log",
    "Heart": "Cardio", "Health": "Hale", "Body weight": "Body massy", "wire-app-test": "just-some-app",
    "wire-recorder": "wise-recorder", "For doctor": "For nurse", "note/txt": "note/html", "frequency/bpm": "mass/kg",
    "custom/thing": "strange/stuff", "Bad Id!": "Ugly Id!", "Bad-Id": "Ugly-Id", "wirecigdwv": "zorro77x",
    "My Fancy Stream é": "Other Strëam", "nope": "gone1", "claaaaaaaaaaaaaaaaaaaaaaa": "cqqqqqqqqqqqqqqqqqqqqqqqq",
    "after run": "after rest", "app:x": "app:q", "theme": "skin", "dark": "pale", "Bob": "Ann", "nick": "nom",
    "open sesame": "open poppy", '"used"': '"spent"',
    # the second recording
    "wiremtpkzw": "zorro77x", "account-app": "some-app", "mfa-app": "an-app",
    "secret-app": "token-app", "secret-other": "token-other", "secret-none": "token-none", '"Key"': '"Lock"',
    '"gone"': '"over"', '"cmc:gone"': '"cmc:over"', "%22gone%22": "%22over%22", '"large"': '"heavy"', '"é"': '"ø"',
    "example.org/back": "example.org/home", "study": "trial", "of the session": "from the session",
    r'\"other\"': r'\"sideways\"', "state-1": "state-2",
    "audit-app": "log-app", "audit-other": "log-other", "audit-none": "log-none", "audit-batch": "log-batch",
    '"Diary"': '"Booklet"', '"other"': '"sideways"', '"Other"': '"Sideways"', '"hello': '"hullo',
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


def changed(text: str) -> str:
    """A recording with other names and numbers, those in the responses that follow from them included."""
    text = _with_other_words(text)
    text = re.sub('"Basic (.*?)"', lambda found: f'"Basic {_basic(found[1])}"', text)
    if '"ttl": 60' in text:  # the lives of secrets are the durations of their events
        text = re.sub(r'"(ttl|duration)": 60\b', r'"\1": 3660', text)
    for number, other in OTHER_NUMBERS.items():
        text = re.sub(number, other, text)
    return re.sub(r'"expires": (\d+\.\d+)', lambda found: f'"expires": {_expiry(float(found[1]), text)}', text)


def _with_other_words(text: str) -> str:
    for word, other in OTHER_WORDS.items():
        text = text.replace(word, other)
    return text


def _basic(credentials: str) -> str:
    return base64.b64encode(_with_other_words(base64.b64decode(credentials).decode()).encode()).decode()


def _expiry(recorded: float, text: str) -> float:
    """The other expiry; that of what was made for a second, and those of OAuth, stay."""
    stays = f'"time": {round(recorded - 1, 3)}' in text or "oauth-session-" in text
    return recorded if stays else recorded + 3600


def differences(recording: Recording, edit: Edit) -> tuple[int, list[str]]:
    """The number of exchanges, and what differs in them."""
    count, found = 0, []
    with Sandbox() as sandbox:
        replay = Replay(sandbox.url, recording, lambda asked: answer(sandbox, asked))
        for topic in recording.topics:
            for exchange in recording.exchanges(topic, edit):
                sandbox.faults.skew += exchange.pause
                count += not exchange.answer
                found += [f"{topic}, {exchange.name}: {difference}" for difference in replay.differences(exchange)]
    return count, found


@pytest.mark.parametrize("edit", [str, changed], ids=["as recorded", "by the rule, not by the case"])
@pytest.mark.parametrize(("recording", "count"), [(FIRST, 204), (SECOND, 466)], ids=["first", "second"])
def test_responses(recording: Recording, count: int, edit: Edit) -> None:
    assert differences(recording, edit) == (count, [])
