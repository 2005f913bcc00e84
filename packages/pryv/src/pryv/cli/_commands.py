"""The commands of `pryv`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, get_args

from pryv._text import from_system
from pryv._transport.media_types import media_type
from pryv._version import __version__
from pryv.cli._frame import (
    STORED_AS,
    add_endpoint_option,
    connect,
    run,
    say,
    standard_input,
    standard_output,
    write_json,
    write_json_array,
    write_json_lines,
)
from pryv.errors import PryvProtocolError
from pryv.types import EventCreate, Level

_EXAMPLES = """\
examples:
  pryv info https://reg.pryv.me/service/info
  pryv login https://reg.pryv.me/service/info --app-id my-notebook --permission diary:manage
  pryv whoami
  pryv streams
  pryv events --streams diary --since 2024-05-01 --jsonl | jq .content
  pryv call events.create '{"streamIds": ["diary"], "type": "note/txt", "content": "Hello"}'
  pryv upload photo.jpg --stream diary
  pryv download EVENT_ID copy.jpg

exit codes: 0 done, 2 usage, 69 platform out of reach, 75 try again later, 77 refused, 130 interrupted,
  1 anything else
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""

    def command() -> None:
        parsed = _parser().parse_args(arguments)
        parsed.command(parsed)

    return run("pryv", command)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pryv",
        description="Work with a Pryv.io account: data goes to standard output as JSON, all else to standard error.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pryv {__version__}")
    add_endpoint_option(parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, command: Any, does: str, example: str, of_account: bool = True) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name,
            help=does[0].lower() + does[1:].rstrip("."),
            description=does,
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.set_defaults(command=command)
        if of_account:
            add_endpoint_option(added)
        return added

    info = add("info", _info, "Print a platform's service info.", "pryv info https://reg.pryv.me/service/info", False)
    info.add_argument("url", type=from_system, metavar="URL", help="the platform's service info URL")

    login = add(
        "login",
        _login,
        "Ask a user for access, and keep it for the other commands.",
        "pryv login https://reg.pryv.me/service/info --app-id my-notebook --permission diary:manage",
        of_account=False,
    )
    login.add_argument("url", type=from_system, metavar="SERVICE_INFO_URL", help="the platform's service info URL")
    login.add_argument("--app-id", type=from_system, required=True, metavar="ID", help="the app that asks")
    login.add_argument(
        "--permission",
        required=True,
        action="extend",
        nargs="+",
        type=_permission,
        metavar="STREAM:LEVEL",
        dest="permissions",
        help=f"what it asks for: a stream (* for all) and one of {', '.join(get_args(Level))}",
    )
    login.add_argument("--no-browser", action="store_true", help="print the page's URL, and do not open it")
    login.add_argument("--timeout", type=_seconds, default=600, metavar="SECONDS", help="how long to wait (600)")

    add("whoami", _whoami, "Print what is known of the access in use, without its token.", "pryv whoami")
    add("streams", _streams, "Print the streams as a tree.", "pryv streams")

    call = add(
        "call",
        _call,
        "Call a method of the API and print its result.",
        "pryv call events.get '{\"limit\": 1}'",
    )
    call.add_argument("method", type=from_system, metavar="METHOD", help="the method's id, such as events.get")
    call.add_argument(
        "params",
        type=from_system,
        metavar="JSON",
        nargs="?",
        default="{}",
        help="its parameters; - reads standard input",
    )

    events = add(
        "events",
        _events,
        "Print events, all there are, latest first.",
        "pryv events --streams diary health --since 2024-05-01 --jsonl",
    )
    events.add_argument(
        "--streams", type=from_system, nargs="+", action="extend", metavar="STREAM", help="only of these streams"
    )
    events.add_argument(
        "--since", type=_timestamp, metavar="TIME", help="only from then on: seconds since 1970, or an ISO date"
    )
    events.add_argument("--jsonl", action="store_true", help="one event a line, in place of one array")

    upload = add(
        "upload",
        _upload,
        "Upload a file, as a new event or to an event that exists, and print the event.",
        "pryv upload photo.jpg --stream diary",
    )
    upload.add_argument("file", metavar="FILE")
    target = upload.add_mutually_exclusive_group(required=True)
    target.add_argument("--stream", type=from_system, metavar="STREAM", help="the stream of a new event")
    target.add_argument("--event", type=from_system, metavar="EVENT", help="the id of an event that exists")
    upload.add_argument(
        "--type",
        type=from_system,
        metavar="TYPE",
        help="the type of a new event (picture/attached or file/attached, by the file's name)",
    )

    download = add(
        "download",
        _download,
        "Download a file attached to an event.",
        "pryv download EVENT_ID photo.jpg",
    )
    download.add_argument("event", type=from_system, metavar="EVENT", help="the event's id")
    download.add_argument("destination", metavar="FILE", help="where it goes; - writes to standard output")
    download.add_argument("--attachment", type=from_system, metavar="ID", help="which one, where the event has several")
    return parser


def _info(arguments: argparse.Namespace) -> None:
    from pryv.service import Service

    with Service(arguments.url.strip()) as service:
        write_json(dict(service.info()))


def _login(arguments: argparse.Namespace) -> None:
    from pryv.auth import AuthorizationData, AuthSettings, TerminalLogin, default_store, wait_for_access
    from pryv.service import Service

    settings = AuthSettings({"requestingAppId": arguments.app_id, "requestedPermissions": arguments.permissions})
    store = default_store()
    store.check_writable()
    with Service(arguments.url.strip()) as service:
        ui = TerminalLogin(settings, service, store=store, open_browser=not arguments.no_browser)
        request = service.start_access_request(settings.auth_request)
        with wait_for_access(service, request, arguments.timeout, ui.on_state_change) as connection:
            username = connection.username()
            store.save(STORED_AS, AuthorizationData(apiEndpoint=connection.api_endpoint, username=username))
    say(f"The access to the account of {username} is kept in {store}.")


def _whoami(arguments: argparse.Namespace) -> None:
    with connect(arguments) as connection:
        access = connection.access_info()
        write_json({key: value for key, value in access.items() if key not in ("token", "apiEndpoint")})


def _streams(arguments: argparse.Namespace) -> None:
    with connect(arguments) as connection:
        write_json(connection.api_one("streams.get", expected_key="streams"))


def _call(arguments: argparse.Namespace) -> None:
    text = standard_input().read() if arguments.params == "-" else arguments.params
    try:
        params = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the parameters are not JSON: {error}") from None
    if not isinstance(params, (dict, list)):
        raise ValueError("the parameters are not a JSON object")
    with connect(arguments) as connection:
        write_json(connection.api_one(arguments.method, params))


def _events(arguments: argparse.Namespace) -> None:
    params = {"streams": arguments.streams, "fromTime": arguments.since}
    write = write_json_lines if arguments.jsonl else write_json_array
    with connect(arguments) as connection, connection.iter_events(params) as events:
        write(events)


def _upload(arguments: argparse.Namespace) -> None:
    with connect(arguments) as connection:
        if arguments.event is not None:
            body = connection.add_attachment(arguments.event, arguments.file)
        else:
            event: EventCreate = {
                "streamIds": [arguments.stream],
                "type": arguments.type or _type_for(arguments.file),
            }
            body = connection.create_event_with_file(event, arguments.file)
        if not isinstance(body.get("event"), dict):
            raise PryvProtocolError("the response to the upload has no event")
        write_json(body["event"])


def _download(arguments: argparse.Namespace) -> None:
    destination = standard_output() if arguments.destination == "-" else arguments.destination
    with connect(arguments) as connection:
        event = connection.api_one("events.getOne", {"id": arguments.event}, "event")
        attachment = _chosen(_attachments(event), arguments.attachment)
        connection.download_attachment(arguments.event, attachment, destination)


def _attachments(event: Any) -> list[dict[str, Any]]:
    attachments = event.get("attachments") or [] if isinstance(event, dict) else None
    if not isinstance(attachments, list) or not all(
        isinstance(attachment, dict) and isinstance(attachment.get("id"), str) for attachment in attachments
    ):
        raise PryvProtocolError("events.getOne: the result is no event with attachments that have ids")
    return attachments


def _chosen(attachments: Sequence[dict[str, Any]], chosen_id: str | None) -> dict[str, Any]:
    if not attachments:
        raise ValueError("the event has no attachments")
    found = [attachment for attachment in attachments if chosen_id in (None, attachment["id"])]
    if len(found) != 1:
        names = ", ".join(f"{attachment['id']} ({attachment.get('fileName')})" for attachment in attachments)
        raise ValueError(f"choose one with --attachment: {names}")
    return found[0]


def _type_for(file: str) -> str:
    return "picture/attached" if media_type(file).startswith("image/") else "file/attached"


def _permission(text: str) -> dict[str, str]:
    stream, _, level = from_system(text).rpartition(":")
    if not stream or level not in get_args(Level):
        raise argparse.ArgumentTypeError(f"{text!r} is not STREAM:LEVEL, with one of {', '.join(get_args(Level))}")
    named = {} if stream == "*" else {"defaultName": stream}
    return {"streamId": stream, **named, "level": level}


def _seconds(text: str) -> float:
    seconds = float(text)
    if not seconds > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return seconds


def _timestamp(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text.removesuffix("Z") + "+00:00" * text.endswith("Z")).timestamp()
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither seconds since 1970 nor an ISO date, such as 2024-05-01 or 2024-05-01T08:00:00Z"
        ) from None
