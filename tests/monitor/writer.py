"""Writes to an account as fast as it can: `writer.py ENDPOINT SEED CHANGES`."""

import random
import sys

from pryv import Call, Connection

BATCH = 10


def main(endpoint: str, seed: str, changes: str) -> None:
    chance = random.Random(seed)
    mine: list[str] = []
    with Connection(endpoint) as connection:
        print("ready", flush=True)
        sys.stdin.readline()
        for _ in range(0, int(changes), BATCH):
            results = connection.api([_call(chance, mine) for _ in range(BATCH)])
            mine += [result["event"]["id"] for result in results]


def _call(chance: random.Random, mine: list[str]) -> Call:
    if mine and chance.random() < 0.1:
        return Call("events.update", {"id": chance.choice(mine), "update": {"content": chance.random()}})
    return Call("events.create", {"streamIds": ["pulse"], "type": "frequency/bpm", "content": chance.random()})


if __name__ == "__main__":
    main(*sys.argv[1:])
