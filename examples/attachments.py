"""Attaches files to an event, downloads them with a check of size and checksum, and deletes one."""

import tempfile
from pathlib import Path

from account import argument_parser, open_account
from pryv import Connection
from pryv.types import EventCreate

STREAM = "example-files"
RECORDING = Path(__file__).parent / "data" / "pulse.csv"


def main(connection: Connection, directory: Path) -> None:
    connection.streams.ensure({"id": STREAM, "name": "Files"})

    new: EventCreate = {"streamIds": [STREAM], "type": "file/attached"}
    event = connection.create_event_with_file(new, RECORDING)["event"]  # read from disk as it is sent
    event = connection.add_attachment(event["id"], b"The sensor sits well from 30 s on.", "note.txt")["event"]

    for attachment in event["attachments"]:
        copy = directory / attachment["id"]  # not its fileName, which the person who uploaded the file chose
        connection.download_attachment(event["id"], attachment, copy)  # raises IntegrityError if the check fails
        print(f"{attachment['fileName']}: {copy.stat().st_size:,} bytes, {attachment.get('integrity')}")

    connection.delete_attachment(event["id"], event["attachments"][1]["id"])
    event = connection.get(f"events/{event['id']}")["event"]
    print("left:", ", ".join(attachment["fileName"] for attachment in event["attachments"]))


if __name__ == "__main__":
    options = argument_parser(__doc__).parse_args()
    with open_account(options.endpoint) as account, tempfile.TemporaryDirectory() as temporary:
        main(account, Path(temporary))
