"""Commands that use the add-on for encryption. It is imported only when one of them asks for it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pryv._text import from_system
from pryv.cli._options import file_path
from pryv.cli._output import write_json
from pryv.cli._run import say


def add_keygen_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `keygen`."""
    parser.add_argument(
        "file", type=file_path, metavar="KEYFILE", help="the file it is added to; made if there is none, mode 0600"
    )
    parser.add_argument(
        "name",
        type=_name,
        nargs="?",
        default="default",
        metavar="NAME",
        help="its name, which events have in clear (default)",
    )
    parser.add_argument("--pair", action="store_true", help="make a key pair, and print its public key")


def _name(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("a key needs a name")
    return from_system(text)


def keygen(arguments: argparse.Namespace) -> None:
    """Add a new key to a key file."""
    encryption = _encryption()
    key = encryption.generate_key_pair() if arguments.pair else encryption.generate_key()
    encryption.save_key(arguments.file, arguments.name, key)
    say(f"The key {arguments.name} is in {arguments.file}. Keep a copy: nobody can decrypt anything without it.")
    if arguments.pair:
        write_json(key.public_key)


def add_decrypt_option(parser: argparse.ArgumentParser, note: str = "") -> None:
    """Add the option that names a key file.

    Args:
        parser: The parser of a command that calls `decrypted`.
        note: What the help says about other options.
    """
    parser.add_argument(
        "--decrypt", type=file_path, metavar="KEYFILE", help=f"decrypt the events, with the keys in a file{note}"
    )


def decrypted(events: Iterable[Any], key_file: str | Path | None) -> Iterable[Any]:
    """Return events decrypted with the keys in a file, if one is named.

    Raises:
        MissingAddonError: the add-on is not installed.
        ValueError: it is no key file.
        OSError: the file cannot be read, or others have access to it.
    """
    if key_file is None:
        return events
    encryption = _encryption()
    return _decrypted(events, encryption.EventsCipher(encryption.Keyring.from_file(key_file)), encryption)


def _decrypted(events: Iterable[Any], cipher: Any, encryption: Any) -> Iterator[Any]:
    """Yield events, and say in the end how many could not be decrypted."""
    failures, first = 0, ""
    for event in events:
        try:
            event = cipher.decrypt_event(event, strict=True)
        except encryption.EncryptionError as error:
            failures += 1
            first = first or str(error)
        yield event
    if failures:
        say(f"Events left encrypted: {failures}. The first: {first}")


def _encryption() -> Any:
    from pryv._addons import load_addon

    return load_addon("encryption", "pryv_encryption", "encryption needs")
