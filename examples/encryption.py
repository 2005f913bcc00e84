"""Encrypts a recording for a clinic, keeps a local copy that only the clinic can read, decrypts it, and plots both."""

import base64
import tempfile
from pathlib import Path

from matplotlib.figure import Figure

from account import argument_parser, open_account
from import_csv import RECORDING, START, read_events
from pryv import Connection
from pryv_encryption import EventsCipher, Keyring, generate_key_pair
from pryv_monitor import Monitor, SQLiteMirror

STREAM = "example-encrypted"
HOW = {"method": "ecies-aes-256-gcm", "key_ref": "clinic"}
PART = (START + 66, START + 78)  # twelve seconds of the recording

CLINIC = generate_key_pair()
"""The clinic publishes the public key, and stores the private key in a key file with mode 0600."""


def record(account: Connection) -> int:
    """Encrypt in the patient's app, with the clinic's public key; returns the number of events."""
    cipher = EventsCipher(Keyring({"clinic": CLINIC.public_key}))
    account.streams.ensure({"id": STREAM, "name": "Pulse, encrypted"})
    pulse = (event for event in read_events(RECORDING) if PART[0] <= event["time"] < PART[1])
    events = ({"streamIds": [STREAM], **{key: event[key] for key in ("time", "type", "content")}} for event in pulse)
    return len(account.events.create_many(cipher.encrypt_event(event, **HOW) for event in events))


def plot(mirror: SQLiteMirror, picture: Path) -> int:
    """Decrypt in the clinic, with its private key; returns the number of events that it can read."""
    cipher = EventsCipher(Keyring({"clinic": CLINIC.private_key}))
    found = cipher.decrypt_events(mirror.events({"streams": [STREAM], "sortAscending": True}))
    events = [event for event in found if event["type"] == "count/generic"]  # events of earlier runs stay encrypted
    times = [event["time"] - START for event in events]
    stored = [base64.b64decode(cipher.strip_decrypted(event)["content"]["payload"])[-17] for event in events]

    figure = Figure(figsize=(12, 6.5), layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    above.plot(times, stored, ".", color="0.6", markersize=4)
    above.set_title("What the platform stores: a byte of each payload", loc="left")
    above.set_ylabel("value of the byte")
    below.plot(times, [event["content"] for event in events], color="#c0392b", linewidth=1.3)
    below.set_title("What the clinic reads: the pulse", loc="left")
    below.set_ylabel("sensor value")
    below.set_xlabel("seconds since the start of the recording")
    for axes in (above, below):
        axes.grid(color="0.9", linewidth=0.5)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(picture, dpi=120)
    return len(events)


if __name__ == "__main__":
    parser = argument_parser(__doc__)
    parser.add_argument("--plot", metavar="PNG", type=Path, default="encryption.png", help="default: %(default)s")
    options = parser.parse_args()
    with open_account(options.endpoint) as account, tempfile.TemporaryDirectory() as directory:
        print(f"{record(account):,} events encrypted")
        copy = SQLiteMirror(Path(directory) / "copy.db")
        Monitor(account, {"streams": [STREAM]}, mirror=copy).sync()
        print(f"{plot(copy, options.plot):,} events decrypted")
        print(options.plot)
