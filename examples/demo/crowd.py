"""Many people with accounts, who write to them."""

import json
import random
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from attrs import frozen

from pryv import Call, Connection
from pryv.types import EventsParams
from pryv_fleet import Fleet
from pryv_sandbox import Sandbox

STREAM = "health"
TYPES = ("mass/kg", "frequency/bpm", "note/txt")


@frozen
class Person:
    """Someone with an account, to which an app has access."""

    name: str
    connection: Connection


def register(platform: Sandbox, count: int) -> list[Person]:
    """Registers people, who give an app access to what they will write."""

    def one(number: int) -> Person:
        account = platform.create_account(f"person{number:04}")
        with Connection(account.api_endpoint) as owner:
            owner.streams.create({"id": STREAM, "name": "Health"})
            access = {"name": "study", "permissions": [{"streamId": STREAM, "level": "manage"}]}
            endpoint = owner.api_one("accesses.create", access, "access")["apiEndpoint"]
        return Person(account.username, Connection(endpoint))

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(one, range(count)))


class Writers:
    """Threads that write to random accounts, until they are stopped."""

    def __init__(self, people: list[Person], threads: int) -> None:
        self.written = 0
        self._people = people
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(threads)
        self._jobs = [self._pool.submit(self._work, number) for number in range(threads)]

    def stop(self) -> None:
        """Stops, and raises what a writer raised."""
        self._stop.set()
        for job in self._jobs:
            self.written += job.result()
        self._pool.shutdown()

    def _work(self, seed: int) -> int:
        chance, written = random.Random(seed), 0
        while not self._stop.wait(0.02):
            connection = chance.choice(self._people).connection
            calls = [Call("events.create", random_event(chance)) for _ in range(chance.randint(1, 4))]
            results = connection.api(calls, raise_on_error=True)
            written += len(results)
            if chance.random() < 0.2:
                connection.events.delete(results[0]["event"]["id"], permanently=True)
        return written


def random_event(chance: random.Random) -> dict[str, Any]:
    kind = chance.choice(TYPES)
    content: Any = "a note" if kind == "note/txt" else round(chance.uniform(50, 100), 1)
    return {"streamIds": [STREAM], "type": kind, "content": content, "time": time.time() - chance.uniform(0, 86_400)}


def different(fleet: Fleet, people: Iterable[Person]) -> list[Person]:
    """Returns those whose copy is not equal to their account."""
    query: EventsParams = {"streams": [STREAM], "state": "all"}
    return [
        person
        for person in people
        if as_texts(fleet.mirror(person.name).events(query)) != as_texts(person.connection.iter_events(query))
    ]


def as_texts(events: Iterable[Any]) -> list[str]:
    return sorted(json.dumps(event, sort_keys=True) for event in events)
