"""The system streams, which every account has."""

from __future__ import annotations

from typing import Any, Literal, get_args

Store = Literal["local", "account", "audit", "shared-secrets"]
STORES: tuple[Store, ...] = get_args(Store)

ACCOUNT = ":_system:account"
EMAIL = ":system:email"
LANGUAGE = ":_system:language"
DB_DOCUMENTS = ":_system:dbDocuments"
ATTACHED_FILES = ":_system:attachedFiles"
AUDIT = ":_audit:"
EMAILS = ":_emails:"
CMC_APPS = ":_cmc:apps"
SHARED_SECRETS = ":_shared-secrets:"
WHOLE_STORES = (AUDIT, f"{AUDIT}accesses", f"{AUDIT}actions", SHARED_SECRETS)
"""Ids that mean all streams of a store."""

_STORAGE_USED = ":_system:storageUsed"
_RESERVED = {"kind": "reserved", "autoProvisioned": True}
_ORIGIN = {"created": 10000000.00000001, "modified": 10000000.00000001, "createdBy": "system", "modifiedBy": "system"}


def _system_stream(stream_id: str, name: str, parent_id: str | None) -> dict[str, Any]:
    return {**_ORIGIN, "id": stream_id, "name": name, "parentId": parent_id}


_ALL = (
    _system_stream(ACCOUNT, "Account", None),
    _system_stream(LANGUAGE, "Language", ACCOUNT),
    _system_stream(_STORAGE_USED, "Storage used", ACCOUNT),
    _system_stream(DB_DOCUMENTS, "Db Documents", _STORAGE_USED),
    _system_stream(ATTACHED_FILES, "Attached files", _STORAGE_USED),
    _system_stream(EMAIL, "Email", ACCOUNT),
    {**_system_stream(AUDIT, "Audit", None), "created": 10000001.00000001, "childrenHidden": True},
    {"id": f"{AUDIT}accesses", "name": "Accesses", "parentId": AUDIT, "childrenHidden": True},
    {"id": f"{AUDIT}actions", "name": "Actions", "parentId": AUDIT, "childrenHidden": True},
    {"id": EMAILS, "name": "Emails", "parentId": None, "clientData": {"emails": _RESERVED}},
)
SYSTEM_STREAMS: dict[str, dict[str, Any]] = {str(stream["id"]): stream for stream in _ALL}


def is_account_stream(stream_id: str) -> bool:
    """Whether the stream is for a field of the account."""
    return stream_id.startswith((":_system:", ":system:"))


def store_of(stream_id: str) -> Store:
    """The data store that has the events of a stream."""
    if is_account_stream(stream_id):
        return "account"
    if stream_id.startswith(SHARED_SECRETS):
        return "shared-secrets"
    return "audit" if stream_id.startswith(AUDIT) else "local"
