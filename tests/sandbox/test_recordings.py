"""The recorded exchanges with the real platform, as they are and with every name and number in them changed."""

from __future__ import annotations

import re

from pryv_sandbox import Sandbox

from .recordings import TOPICS, Edit, Exchange, Replay, load

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


def changed(text: str) -> str:
    """A recording with other names and numbers, those in the responses that follow from them included."""
    for word, other in OTHER_WORDS.items():
        text = text.replace(word, other)
    for number, other in OTHER_NUMBERS.items():
        text = re.sub(number, other, text)
    return re.sub(r'"expires": (\d+\.\d+)', lambda found: f'"expires": {float(found[1]) + 3600}', text)


def differences(edit: Edit) -> tuple[int, list[str]]:
    """The number of exchanges, and what differs in them."""
    with Sandbox() as sandbox:
        replay = Replay(sandbox.url)
        exchanges = [(topic, Exchange(**recorded)) for topic in TOPICS for recorded in load(topic, edit)]
        found = [
            f"{topic}, {exchange.name}: {difference}"
            for topic, exchange in exchanges
            for difference in replay.differences(exchange)
        ]
    return len(exchanges), found


def test_answers_as_recorded() -> None:
    assert differences(str) == (196, [])


def test_answers_by_the_rule_and_not_by_the_case() -> None:
    assert differences(changed) == (196, [])
