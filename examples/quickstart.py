"""Creates a stream and an event, changes the event, reads it back, and deletes it."""

from contextlib import suppress

from account import argument_parser, open_account
from pryv import Connection, ItemAlreadyExistsError

STREAM = "example-weight"


def main(connection: Connection) -> None:
    print("Account ", connection.username())

    with suppress(ItemAlreadyExistsError):  # from an earlier run
        connection.api_one("streams.create", {"id": STREAM, "name": "Weight"})

    new = {"streamIds": [STREAM], "type": "mass/kg", "content": 61.2}
    event = connection.api_one("events.create", new, expected_key="event")
    print("Created ", event["id"])

    event = connection.put(f"events/{event['id']}", {"content": 60.9})["event"]
    print("Changed ", event["content"], "kg")

    for found in connection.iter_events({"streams": [STREAM], "sortAscending": True}):
        print("Read    ", found["content"], "kg")

    connection.delete(f"events/{event['id']}")  # moves it to the trash
    deletion = connection.delete(f"events/{event['id']}")["eventDeletion"]
    print("Deleted ", deletion["id"])


if __name__ == "__main__":
    options = argument_parser(__doc__).parse_args()
    with open_account(options.endpoint) as account:
        main(account)
