"""Creates a stream and an event, changes the event, reads it back, and deletes it."""

from account import argument_parser, open_account
from pryv import Connection

STREAM = "example-weight"


def main(connection: Connection) -> None:
    print("Account ", connection.username())

    connection.streams.ensure({"id": STREAM, "name": "Weight"})

    event = connection.events.create({"streamIds": [STREAM], "type": "mass/kg", "content": 61.2})
    print("Created ", event["id"])

    event = connection.events.update(event["id"], {"content": 60.9})
    print("Changed ", event["content"], "kg")

    for found in connection.iter_events({"streams": [STREAM], "sortAscending": True}):
        print("Read    ", found["content"], "kg")

    deletion = connection.events.delete(event["id"], permanently=True)
    print("Deleted ", deletion["id"])


if __name__ == "__main__":
    options = argument_parser(__doc__).parse_args()
    with open_account(options.endpoint) as account:
        main(account)
