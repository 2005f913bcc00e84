"""The streams every account has from the start."""

from __future__ import annotations

from typing import Any

ACCOUNT = ":_system:account"
EMAIL = ":system:email"
LANGUAGE = ":_system:language"
DB_DOCUMENTS = ":_system:dbDocuments"
ATTACHED_FILES = ":_system:attachedFiles"
AUDIT = ":_audit:"
EMAILS = ":_emails:"

_ORIGIN = {"created": 10000000.00000001, "modified": 10000000.00000001, "createdBy": "system", "modifiedBy": "system"}


def _system_stream(stream_id: str, name: str, parent_id: str | None) -> dict[str, Any]:
    return {**_ORIGIN, "id": stream_id, "name": name, "parentId": parent_id}


SYSTEM_STREAMS: dict[str, dict[str, Any]] = {
    stream["id"]: stream
    for stream in (
        _system_stream(ACCOUNT, "Account", None),
        _system_stream(LANGUAGE, "Language", ACCOUNT),
        _system_stream(":_system:storageUsed", "Storage used", ACCOUNT),
        _system_stream(DB_DOCUMENTS, "Db Documents", ":_system:storageUsed"),
        _system_stream(ATTACHED_FILES, "Attached files", ":_system:storageUsed"),
        _system_stream(EMAIL, "Email", ACCOUNT),
        {**_system_stream(AUDIT, "Audit", None), "created": 10000001.00000001, "childrenHidden": True},
        {
            "id": EMAILS,
            "name": "Emails",
            "parentId": None,
            "clientData": {"emails": {"kind": "reserved", "autoProvisioned": True}},
        },
    )
}


def is_account_stream(stream_id: str) -> bool:
    """Whether the stream holds a field of the account itself."""
    return stream_id.startswith((":_system:", ":system:"))
