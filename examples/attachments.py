"""Sends files with an event, and gets them back, checked."""

import tempfile
from pathlib import Path

from account import argument_parser, open_account
from pryv import Call, Connection

STREAM = "example-files"
RECORDING = Path(__file__).parent / "data" / "pulse.csv"


def main(connection: Connection, directory: Path) -> None:
    connection.api([Call("streams.create", {"id": STREAM, "name": "Files"})])

    new = {"streamIds": [STREAM], "type": "file/attached"}
    event = connection.create_event_with_file(new, RECORDING)["event"]  # read from disk as it is sent
    event = connection.add_attachment(event["id"], b"The sensor sits well from 30 s on.", "note.txt")["event"]

    for attachment in event["attachments"]:
        # The name is someone else's choice. It is shown, but never decides where the file goes.
        copy = directory / attachment["id"]
        connection.download_attachment(event["id"], attachment, copy)  # IntegrityError if it is not what was sent
        print(f"{attachment['fileName']}: {copy.stat().st_size:,} bytes, {attachment.get('integrity')}")

    connection.delete_attachment(event["id"], event["attachments"][1]["id"])
    event = connection.get(f"events/{event['id']}")["event"]
    print("left:", ", ".join(attachment["fileName"] for attachment in event["attachments"]))


if __name__ == "__main__":
    options = argument_parser(__doc__).parse_args()
    with open_account(options.endpoint) as account, tempfile.TemporaryDirectory() as temporary:
        main(account, Path(temporary))
