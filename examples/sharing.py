"""Shares a stream with someone else to read, then to write, and revokes the access."""

from account import argument_parser, open_account
from pryv import Connection, ForbiddenError, InvalidAccessTokenError

SHARED, PRIVATE = "example-sleep", "example-thoughts"


def main(owner: Connection) -> None:
    write_something(owner)

    access = owner.accesses.create(
        {
            "name": "For Dr. Jones",
            "permissions": [{"streamId": SHARED, "level": "read"}],
            "expireAfter": 7 * 24 * 3600,
        }
    )
    print("Shared with Dr. Jones:", access["permissions"])

    # The doctor needs only the API endpoint. It contains the token: send it over a safe channel.
    with Connection(access["apiEndpoint"]) as doctor:
        for event in doctor.iter_events():  # only what was shared
            print("The doctor reads:", event["content"])
        try:
            doctor.events.create({"streamIds": [SHARED], "type": "note/txt", "content": "Sleep more!"})
        except ForbiddenError as error:
            print("The doctor may not write:", error)

        owner.accesses.update(access["id"], {"permissions": [{"streamId": SHARED, "level": "contribute"}]})
        doctor.events.create({"streamIds": [SHARED], "type": "note/txt", "content": "Sleep more!"})
        print("With `contribute`, the doctor may write.")

        doctor.revoke(using=owner)
        try:
            list(doctor.iter_events())
        except InvalidAccessTokenError as error:
            print("Revoked:", error)


def write_something(owner: Connection) -> None:
    for stream, name, note in (
        (SHARED, "Sleep", "Slept well, 8½ h."),
        (PRIVATE, "Thoughts", "I do not like Mondays."),
    ):
        owner.streams.ensure({"id": stream, "name": name})
        owner.events.create({"streamIds": [stream], "type": "note/txt", "content": note})


if __name__ == "__main__":
    options = argument_parser(__doc__).parse_args()
    with open_account(options.endpoint) as account:
        main(account)
