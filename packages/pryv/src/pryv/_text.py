"""Text from other sources, made safe to display."""

from __future__ import annotations

import os
import re

UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ud800-\udfff]")
"""Characters that control a terminal or reorder text: C0 and C1 controls, line breaks, and the controls of
bidirectional text (https://www.unicode.org/reports/tr9/); and surrogates, which cannot be encoded."""


def printable(text: str) -> str:
    r"""Return `text` on one line, with the characters that control a terminal or reorder text escaped, as in `\x1b`."""
    return UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def from_system(text: str) -> str:
    """Return an argument, a variable or a file name decoded as UTF-8, in any locale.

    In a C locale, Python decodes non-ASCII bytes to surrogates (https://peps.python.org/pep-0383/). Text that is not
    UTF-8 is returned unchanged.
    """
    try:
        return os.fsencode(text).decode()
    except UnicodeError:
        return text
