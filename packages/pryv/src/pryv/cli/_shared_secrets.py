"""Commands that hand over a secret. Secrets, keys and passphrases are never arguments, which all users can see."""

from __future__ import annotations

import argparse
import getpass
import re
import sys
from pathlib import Path

from pryv._text import from_system, printable
from pryv.cli._credentials import connect
from pryv.cli._options import seconds
from pryv.cli._output import on_terminal, standard_input, standard_output, write_json, write_text
from pryv.cli._program import Command, add_commands
from pryv.cli._run import say
from pryv.cli._times import local_time

_LINE_BREAK = re.compile(r"\r?\n\Z")


def add_commands_of_secret(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `secret`."""
    put_example = "pryv secret put --ttl 3600 --title Export --message 'It was read before.' < token > key"
    commands = [
        Command("put", "Store standard input as a secret, and print its key.", put_example, put, add_put_options),
        Command(
            "get",
            "Print the secret of the key on standard input. It cannot be read again.",
            "pryv secret get https://alice.pryv.me/ < key",
            get,
            add_get_options,
            account=False,
        ),
    ]
    add_commands(parser, commands)


def add_put_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `secret put`."""
    parser.add_argument("--ttl", type=seconds, required=True, metavar="SECONDS", help="how long it can be read")
    parser.add_argument("--title", type=from_system, required=True, metavar="TEXT", help="a title, for its creator")
    parser.add_argument(
        "--message",
        type=from_system,
        required=True,
        metavar="TEXT",
        help="the text for anyone who tries to read it when it is no longer available",
    )
    parser.add_argument("--return-url", type=from_system, metavar="URL", help="a page for them")
    _add_proof_options(parser)


def put(arguments: argparse.Namespace) -> None:
    """Store a secret, and print its key."""
    from pryv import shared_secrets

    passphrase, verifier_secret = _proof(arguments)
    with connect(arguments) as connection:
        shared = shared_secrets.create(
            connection,
            _read("The secret: "),
            ttl=arguments.ttl,
            title=arguments.title,
            message=arguments.message,
            return_url=arguments.return_url,
            passphrase=passphrase,
            verifier_secret=verifier_secret,
        )
    write_text(shared.key)
    say(f"The secret can be read once, until {local_time(shared.expires)}.")


def add_get_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `secret get`."""
    parser.add_argument(
        "api_endpoint", type=from_system, metavar="ENDPOINT", help="the account's API endpoint, without a token"
    )
    _add_proof_options(parser)


def get(arguments: argparse.Namespace) -> None:
    """Print a secret."""
    from pryv import shared_secrets

    output = standard_output()  # before the secret is spent
    passphrase, verifier_secret = _proof(arguments)
    secret = shared_secrets.retrieve(
        arguments.api_endpoint.strip(),
        _read("The key: ").strip(),
        passphrase=passphrase,
        verifier_secret=verifier_secret,
    )
    if not isinstance(secret, str):
        write_json(secret)
        return
    text = "\n".join(map(printable, secret.split("\n"))) if on_terminal() else secret
    output.write(f"{text}\n".encode(errors="backslashreplace"))  # surrogates have no UTF-8 form


def _add_proof_options(parser: argparse.ArgumentParser) -> None:
    proof = parser.add_mutually_exclusive_group()
    proof.add_argument(
        "--passphrase-file", metavar="FILE", help="a file with a passphrase that is required to read the secret"
    )
    proof.add_argument(
        "--verifier-secret-file",
        metavar="FILE",
        help="a file with a secret that is required to read it, and that the platform never gets",
    )


def _proof(arguments: argparse.Namespace) -> tuple[str | None, str | None]:
    """Return the passphrase and the verifier secret in the files of the options."""
    files = (arguments.passphrase_file, arguments.verifier_secret_file)
    passphrase, verifier_secret = (file and _text(Path(file).read_bytes(), file) for file in files)
    return passphrase, verifier_secret


def _read(prompt: str) -> str:
    """Return the text on standard input; one that is typed is not shown."""
    if sys.stdin is None or not sys.stdin.isatty():
        return _text(standard_input().read(), "standard input")
    try:
        typed = getpass.getpass(prompt)
    except EOFError:
        typed = ""
    return _text(typed.encode(errors="surrogateescape"), "standard input")


def _text(data: bytes, name: str) -> str:
    """Return a text in UTF-8, without the line break at its end.

    Raises:
        ValueError: it is empty, or not UTF-8.
    """
    try:
        text = _LINE_BREAK.sub("", data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError(f"{name} is not UTF-8") from None
    if not text:
        raise ValueError(f"{name} is empty")
    return text
