"""Text of others, as it may be shown."""

from __future__ import annotations

import os
import re

UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ud800-\udfff]")
"""What acts on a terminal, or on the order of what is shown: C0 and C1 controls, line breaks, and the controls of
bidirectional text (https://www.unicode.org/reports/tr9/); and surrogates, which no encoding of text has."""


def printable(text: str) -> str:
    r"""Return `text` on one line, with what acts on a terminal or reorders text escaped, as in `\x1b`."""
    return UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def from_system(text: str) -> str:
    """Return an argument, a variable or a file's name as UTF-8, whatever the locale made of its bytes.

    In a C locale, Python reads bytes beyond ASCII as surrogates (PEP 383). What is not UTF-8 is left as it is.
    """
    try:
        return os.fsencode(text).decode()
    except UnicodeError:
        return text
