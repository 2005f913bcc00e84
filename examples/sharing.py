"""Shares one stream with someone else, sees what that allows and what it does not, and takes it back."""

from account import argument_parser, open_account
from pryv import Call, Connection, ForbiddenError, InvalidAccessTokenError

SHARED, PRIVATE = "example-sleep", "example-thoughts"


def main(owner: Connection) -> None:
    write_something(owner)

    asked = {
        "type": "shared",
        "name": "For Dr. Jones",
        "permissions": [{"streamId": SHARED, "level": "read"}],
        "expireAfter": 7 * 24 * 3600,
    }
    access = owner.api_one("accesses.create", asked, expected_key="access")
    print("Shared with Dr. Jones:", access["permissions"])

    # This is all that the doctor needs to be given. It holds the token: hand it over on a safe way.
    with Connection(access["apiEndpoint"]) as doctor:
        for event in doctor.iter_events():  # no more than what was shared
            print("The doctor reads:", event["content"])
        try:
            doctor.api_one("events.create", {"streamIds": [SHARED], "type": "note/txt", "content": "Sleep more!"})
        except ForbiddenError as error:
            print("The doctor may not write:", error)

        access = owner.update_access(access["id"], {"permissions": [{"streamId": SHARED, "level": "contribute"}]})
        doctor.api_one("events.create", {"streamIds": [SHARED], "type": "note/txt", "content": "Sleep more!"})
        print("Now the doctor may.")

        owner.delete(f"accesses/{access['id']}")
        try:
            list(doctor.iter_events())
        except InvalidAccessTokenError as error:
            print("Taken back:", error)


def write_something(owner: Connection) -> None:
    calls = []
    for stream, note in ((SHARED, "Slept well, 8½ h."), (PRIVATE, "I do not like Mondays.")):
        calls.append(Call("streams.create", {"id": stream, "name": stream.removeprefix("example-").title()}))
        calls.append(Call("events.create", {"streamIds": [stream], "type": "note/txt", "content": note}))
    owner.api(calls)


if __name__ == "__main__":
    options = argument_parser(__doc__).parse_args()
    with open_account(options.endpoint) as account:
        main(account)
