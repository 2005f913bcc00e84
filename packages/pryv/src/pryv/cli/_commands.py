"""The program `pryv`: the table of its commands."""

from __future__ import annotations

from collections.abc import Sequence

from pryv._version import __version__
from pryv.cli import _account, _data, _encryption, _files, _oauth, _shared_secrets
from pryv.cli._program import Command, Program

_PROGRAM = Program(
    "pryv",
    __version__,
    "Work with a Pryv.io account.\n\n"
    "Data goes to standard output: lists as tables on a terminal, otherwise as JSON. Messages go to standard error.",
    [
        Command(
            "info",
            "Print a platform's service info.",
            "pryv info https://reg.pryv.me/service/info",
            _account.info,
            _account.add_info_options,
            account=False,
        ),
        Command(
            "login",
            "Ask a user for access, and store it for the other commands.",
            "pryv login https://reg.pryv.me/service/info --app-id my-notebook --permission diary:manage",
            _account.login,
            _account.add_login_options,
            account=False,
        ),
        Command(
            "oauth-login",
            "Ask a user for an OAuth session, and store it for the other commands.",
            "pryv oauth-login https://pryv.me my-app --scope cmc:my-study",
            _oauth.oauth_login,
            _oauth.add_oauth_login_options,
            account=False,
        ),
        Command(
            "logout",
            "Revoke the stored access, and delete its credentials.",
            "pryv logout",
            _account.logout,
            account=False,
        ),
        Command("whoami", "Print the current access, without its token.", "pryv whoami", _account.whoami),
        Command(
            "accesses",
            "Print the accesses to the account, without their tokens.",
            "pryv accesses",
            _account.accesses,
            _account.add_accesses_options,
        ),
        Command("streams", "Print the streams as a tree.", "pryv streams", _data.streams),
        Command(
            "events",
            "Print all events, latest first.",
            "pryv events --streams diary health --since 2026-05-01 --csv > events.csv",
            _data.events,
            _data.add_events_options,
        ),
        Command(
            "call",
            "Call a method of the API and print its result.",
            """pryv call events.create '{"streamIds": ["diary"], "type": "note/txt", "content": "Hello"}'""",
            _data.call,
            _data.add_call_options,
        ),
        Command(
            "upload",
            "Upload a file as a new event or to an existing one, and print the event.",
            "pryv upload photo.jpg --stream diary",
            _files.upload,
            _files.add_upload_options,
        ),
        Command(
            "download",
            "Download a file attached to an event.",
            "pryv download EVENT_ID photo.jpg",
            _files.download,
            _files.add_download_options,
        ),
        Command(
            "secret",
            "Hand over a secret, such as a token, which can be read once.",
            "pryv secret put --ttl 3600 --title Export --message 'It was read before.' < token",
            None,
            _shared_secrets.add_commands_of_secret,
            account=False,
        ),
        Command(
            "keygen",
            "Add a new key to a key file, to encrypt with (needs pryv-encryption).",
            "pryv keygen keys.json journal-2026",
            _encryption.keygen,
            _encryption.add_keygen_options,
            account=False,
        ),
    ],
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command `pryv`, and return its exit code.

    Args:
        arguments: The arguments; by default those of the process.
    """
    return _PROGRAM.main(arguments)
