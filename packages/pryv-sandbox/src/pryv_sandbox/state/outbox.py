"""The mails and text messages that a real platform would send: the sandbox stores them for tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Mail:
    """A mail to a user.

    Attributes:
        to: the e-mail address.
        template: the purpose of the mail.
        token: the token in the mail: it verifies the address, or resets the password.
    """

    to: str
    template: Literal["verify-email", "reset-password"]
    token: str = field(repr=False)


@dataclass(frozen=True)
class TextMessage:
    """A text message with the code of a second factor.

    Attributes:
        to: the telephone number.
        code: the code.
    """

    to: str
    code: str = field(repr=False)


class Outbox:
    """The messages sent, oldest first."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.text_messages: list[TextMessage] = []
