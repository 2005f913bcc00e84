"""Events and files, encrypted and decrypted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, BinaryIO, TypeVar

import attrs

from pryv.addons import Destination, open_destination, require_callback, without_frames, write_all
from pryv_encryption import _streams
from pryv_encryption._gcm import AesGcmMethod
from pryv_encryption._streams import Source
from pryv_encryption.errors import DecryptionError, EncryptionError, MissingKeyError, UnknownMethodError
from pryv_encryption.keyring import Keyring
from pryv_encryption.methods import METHODS, EncryptionMethod

T = TypeVar("T")
EventT = TypeVar("EventT", bound=Mapping[str, Any])
DestinationT = TypeVar("DestinationT", bound=Destination)

_PREFIX = "encrypted/"
_FROM = "decryptedFrom"
_SHOWN = 100
"""Characters of a name that a message shows."""

_CLEAR = {
    *("id", "streamId", "streamIds", "time", "duration", "description", "attachments", "clientData", "tags"),
    *("trashed", "deleted", "created", "createdBy", "modified", "modifiedBy", "headId", "integrity", _FROM),
}
"""Members that decrypted data never replace: anyone with the public key can encrypt an event."""


@attrs.frozen
class _Key:
    """A key that is masked in tracebacks with local variables."""

    value: Any = attrs.field(repr=False)


class EventsCipher:
    """Encrypts and decrypts events and their files, in the formats of the JavaScript client's `EventsCipher`.

    The type and the content of an event are encrypted; all other members are not. An encrypted event has the type
    `encrypted/METHOD` (see the *encrypted* types at https://pryv.github.io/event-types/).

    Args:
        keyring: The keys.
        on_decrypt_error: A callback that gets an event and an `EncryptionError` if the event cannot be decrypted.

    Attributes:
        keyring: The keys.
        on_decrypt_error: The callback for events that cannot be decrypted.

    Raises:
        TypeError: `keyring` is not a `Keyring`, or the callback is not callable or is a coroutine function.
    """

    @without_frames
    def __init__(
        self, keyring: Keyring, on_decrypt_error: Callable[[Any, EncryptionError], object] | None = None
    ) -> None:
        if not isinstance(keyring, Keyring):
            raise TypeError(f"an EventsCipher takes a Keyring, not {type(keyring).__name__}")
        if on_decrypt_error is not None:
            require_callback(on_decrypt_error, "on_decrypt_error")
        self.keyring = keyring
        self.on_decrypt_error = on_decrypt_error
        self._methods: dict[str, EncryptionMethod] = dict(METHODS)

    def __repr__(self) -> str:
        return f"EventsCipher({self.keyring!r})"

    def register_method(self, name: str, method: EncryptionMethod) -> EventsCipher:
        """Add a method of encryption, or replace the one of this name; returns the cipher.

        Args:
            name: The part of an event's type after `encrypted/`.
            method: The method.

        Raises:
            TypeError: it is not a method.
        """
        optional = (getattr(method, member, None) for member in ("encrypt", "encrypt_bytes", "decrypt_bytes"))
        if not callable(getattr(method, "decrypt", None)) or not all(one is None or callable(one) for one in optional):
            raise TypeError(f"a method has a function decrypt; {type(method).__name__} has none")
        self._methods[name] = method
        return self

    @without_frames
    def encrypt_event_content(
        self, material: Mapping[str, Any], *, method: str, key_ref: str | None = None, hint: Any = None
    ) -> dict[str, Any]:
        """Return the `type` and `content` of the encrypted event, such as for `events.update`.

        Args:
            material: A dict with a `type` and a `content`; other members are left out.
            method: The method of encryption.
            key_ref: The name of the key; it is not encrypted.
            hint: A hint about the key, any value with a JSON form; it is not encrypted.

        Raises:
            ValueError: there is no type or no content, it has no JSON form, or the key cannot be used.
            TypeError: the same.
            MissingKeyError: the key is not known.
            UnknownMethodError: the method is not known.
            EncryptionError: the method does not encrypt events.
        """
        source = _material_of(material)
        encrypt = self._function(method, "encrypt", "encrypt events")
        content = dict(_applied(encrypt, source, self._key(method, key_ref, hint)))
        if key_ref is not None:
            content["keyRef"] = key_ref
        if hint is not None:
            content["hint"] = hint
        return {"type": f"{_PREFIX}{method}", "content": content}

    @without_frames
    def encrypt_event(
        self, event: Mapping[str, Any], *, method: str, key_ref: str | None = None, hint: Any = None
    ) -> dict[str, Any]:
        """Return an event with its type and content encrypted.

        A decrypted event can be changed and encrypted again: its `decryptedFrom` is left out.

        Args:
            event: The unencrypted event.
            method: The method of encryption.
            key_ref: The name of the key; it is not encrypted.
            hint: A hint about the key, any value with a JSON form; it is not encrypted.

        Raises:
            ValueError: there is no type or no content, it has no JSON form, or the key cannot be used.
            TypeError: the same.
            MissingKeyError: the key is not known.
            UnknownMethodError: the method is not known.
            EncryptionError: the method does not encrypt events.
        """
        update = self.encrypt_event_content(event, method=method, key_ref=key_ref, hint=hint)
        encrypted = {**event, **update}
        encrypted.pop(_FROM, None)
        return encrypted

    def decrypt_event(self, event: EventT, strict: bool = False) -> EventT:
        """Return a decrypted event: a new dict with the original one as its `decryptedFrom`.

        An event that is not encrypted, or with an unknown method, is returned unchanged. So is an event that cannot be
        decrypted, after a call of `on_decrypt_error`.

        Args:
            event: The event, which is not changed.
            strict: Whether to raise an exception for an encrypted event that is not decrypted, instead of the call.

        Raises:
            DecryptionError: with `strict`: it was altered, or encrypted with another key or method.
            MissingKeyError: with `strict`: the key is not known.
            UnknownMethodError: with `strict`: the method is not known.
        """
        name = _method_name(event)
        if name is None or not (strict or name in self._methods):
            return event
        try:
            material = _naming(event, self._material, event, name)
        except EncryptionError as error:
            if strict:
                raise
            failure = error
        else:
            restored: EventT = _restored(event, material)
            return restored
        if self.on_decrypt_error is not None:
            self.on_decrypt_error(event, failure)
        return event

    def decrypt_events(self, events: Iterable[EventT], strict: bool = False) -> Iterator[EventT]:
        """Return an iterator that decrypts each event when it is read; see `decrypt_event`.

        Args:
            events: Any iterable of events, such as `Connection.iter_events` or the `events` of a mirror.
            strict: Whether to raise an exception for an encrypted event that is not decrypted.

        Raises:
            EncryptionError: with `strict`: an event is not decrypted.
            TypeError: `events` is one event.
        """
        if isinstance(events, Mapping):
            raise TypeError("decrypt_events takes an iterable of events; decrypt_event takes one")
        return (self.decrypt_event(event, strict) for event in events)

    def wrap_for_each_event(self, callback: Callable[[Any], T]) -> Callable[[Any], T]:
        """Return a function that decrypts an event and calls `callback` with it.

        Args:
            callback: The function to call, such as one for `Connection.get_events_streamed` or `Monitor.on`.

        Raises:
            TypeError: it is not callable, or is a coroutine function.
        """
        require_callback(callback, "callback")
        return lambda event: callback(self.decrypt_event(event))

    def strip_decrypted(self, event: EventT) -> EventT:
        """Return the encrypted original of a decrypted event; any other event is returned unchanged.

        Args:
            event: The event.
        """
        original: EventT | None = event.get(_FROM) if isinstance(event, Mapping) else None
        return event if original is None else original

    @without_frames
    def encrypt_attachment_data(
        self, data: bytes, *, method: str, key_ref: str | None = None, hint: Any = None
    ) -> bytes:
        """Return an encrypted file, to attach to an event with the same method, key name and hint.

        Args:
            data: The contents of the file.
            method: The method of encryption.
            key_ref: The name of the key.
            hint: A hint about the key.

        Raises:
            ValueError: the key cannot be used.
            TypeError: the same, or the data are not bytes.
            MissingKeyError: the key is not known.
            UnknownMethodError: the method is not known.
            EncryptionError: the method does not encrypt files.
        """
        _check_bytes(data)
        encrypt = self._function(method, "encrypt_bytes", "encrypt files")
        return bytes(_applied(encrypt, data, self._key(method, key_ref, hint)))

    def decrypt_attachment_data(self, event: Mapping[str, Any], data: bytes) -> bytes:
        """Return a decrypted file.

        Args:
            event: The event that the file is attached to, encrypted or decrypted.
            data: The contents of the file on the platform.

        Raises:
            DecryptionError: the event is not encrypted, or the file was altered, or encrypted with another key or
                method.
            MissingKeyError: the key is not known.
            UnknownMethodError: the method is not known.
            TypeError: the data are not bytes.
        """
        _check_bytes(data)
        encrypted = self.strip_decrypted(event)
        return _naming(encrypted, self._data, encrypted, data)

    def encrypt_attachment(
        self,
        source: Source,
        destination: DestinationT,
        *,
        method: str,
        key_ref: str | None = None,
        hint: Any = None,
    ) -> DestinationT:
        """Encrypt a file of any size, to attach to an event with the same method, key name and hint.

        Args:
            source: The path of the file, or a binary file, which is read from its current position.
            destination: The path of the encrypted file, which appears when it is complete, or a binary file.
            method: The method of encryption. A custom method gets the file in one piece.
            key_ref: The name of the key.
            hint: A hint about the key.

        Returns:
            The destination.

        Raises:
            ValueError: the key cannot be used.
            TypeError: the same, or the source or the destination is neither a path nor a binary file.
            MissingKeyError: the key is not known.
            UnknownMethodError: the method is not known.
            EncryptionError: the method does not encrypt files.
            OSError: the source cannot be read, or the destination cannot be written to.
        """
        encrypt = self._function(method, "encrypt_bytes", "encrypt files")
        key = self._key(method, key_ref, hint)
        known = self._methods[method]
        with _streams.opened(source) as file, open_destination(destination) as output:
            if isinstance(known, AesGcmMethod):
                _streams.encrypt(known, file, output, key.value)
            else:
                write_all(output, _applied(encrypt, _streams.read(file), key))
        return destination

    def decrypt_attachment(self, event: Mapping[str, Any], source: Source, destination: DestinationT) -> DestinationT:
        """Decrypt a file of any size. The whole file is verified before any plaintext is written, even temporarily.

        The source is read twice. A source that cannot seek, such as a pipe, is first copied, still encrypted, to
        a temporary file.

        Args:
            event: The event that the file is attached to, encrypted or decrypted.
            source: The path of the encrypted file, or a binary file, which is read from its current position.
            destination: The path of the decrypted file, which appears when it is complete, or a binary file.

        Returns:
            The destination.

        Raises:
            DecryptionError: the event is not encrypted, or the file was altered, or encrypted with another key or
                method.
            MissingKeyError: the key is not known.
            UnknownMethodError: the method is not known.
            TypeError: the source or the destination is neither a path nor a binary file.
            OSError: the source cannot be read, or the destination cannot be written to.
        """
        encrypted = self.strip_decrypted(event)
        with _streams.opened_twice(source) as file:
            write_to = _naming(encrypted, self._verified, encrypted, file)
            with open_destination(destination) as output:
                write_to(output)
        return destination

    def _material(self, event: Mapping[str, Any], name: str) -> dict[str, Any]:
        """Return the decrypted type and content of an event."""
        decrypt = self._function(name, "decrypt", "decrypt events")
        key = self._key_of(event, name)
        material = _decrypted(decrypt, event["content"], key)
        if not isinstance(material, Mapping) or not isinstance(material.get("type"), str):
            raise DecryptionError("the plaintext has no type")
        if material.get("content") is None:
            raise DecryptionError("the plaintext has no content")
        return dict(material)

    def _data(self, event: Mapping[str, Any], data: bytes) -> bytes:
        """Return the decrypted contents of a file of an encrypted event."""
        name = _method_of_files(event)
        decrypt = self._function(name, "decrypt_bytes", "decrypt files")
        return bytes(_decrypted(decrypt, data, self._key_of(event, name)))

    def _verified(self, event: Mapping[str, Any], file: BinaryIO) -> Callable[[BinaryIO], None]:
        """Return a function that writes the decrypted contents of a file of an encrypted event."""
        method = self._methods.get(_method_of_files(event))
        if isinstance(method, AesGcmMethod):
            key = self._key_of(event, _method_of_files(event))
            return _applied(partial(_streams.Verified, method), file, key).write_to
        data = self._data(event, _streams.read(file))
        return lambda output: write_all(output, data)

    def _function(self, name: str, member: str, purpose: str) -> Callable[..., Any]:
        """Return a function of a method.

        Raises:
            TypeError: the name is not a string.
            UnknownMethodError: the method is not known.
            EncryptionError: the method has no such function.
        """
        if not isinstance(name, str):
            raise TypeError(f"method is the name of an encryption method, not {type(name).__name__}")
        if name not in self._methods:
            raise UnknownMethodError(f"no encryption method is named {name[:_SHOWN]!r}")
        function: Callable[..., Any] | None = getattr(self._methods[name], member, None)
        if function is None:
            raise EncryptionError(f"the method {name} does not {purpose}")
        return function

    def _key_of(self, event: Mapping[str, Any], name: str) -> _Key:
        """Return the key of an encrypted event.

        Raises:
            MissingKeyError: the key is not known.
            DecryptionError: the content of the event is malformed, or the search for the key failed.
        """
        content = event.get("content")
        if not isinstance(content, Mapping):
            raise DecryptionError("its content is not an object")
        key_ref = content.get("keyRef")
        if not isinstance(key_ref, (str, type(None))):
            raise DecryptionError("its keyRef is not a string")
        try:
            return self._key(name, key_ref, content.get("hint"))
        except MissingKeyError:
            raise
        except Exception as error:  # noqa: BLE001  (its text may show a key)
            problem = type(error).__name__
        raise DecryptionError(f"the search for its key failed: {problem}")

    def _key(self, name: str, key_ref: str | None, hint: Any) -> _Key:
        """Return a key of the keyring.

        Raises:
            MissingKeyError: the key is not known.
            TypeError: the name of the key is not a string.
        """
        if not isinstance(key_ref, (str, type(None))):
            raise TypeError(f"key_ref is a string, not {type(key_ref).__name__}")
        key = _Key(self.keyring.get_key_for(name, key_ref, hint))
        if key.value is None:
            named = "" if key_ref is None else f" (keyRef {key_ref[:_SHOWN]!r})"
            raise MissingKeyError(f"no key is known for {name}{named}", key_ref=key_ref, hint=hint)
        return key


def _material_of(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of an event that are encrypted.

    Raises:
        TypeError: it is not an event.
        ValueError: it has no type or no content, and so could not be decrypted.
    """
    if not isinstance(event, Mapping):
        raise TypeError(f"an event is a dict, not {type(event).__name__}")
    material = {"type": event.get("type"), "content": event.get("content")}
    for name, value in material.items():
        if value is None:
            raise ValueError(f"{name} is missing: an event without it cannot be encrypted")
    if not isinstance(material["type"], str):
        raise TypeError(f"type is a string, not {type(material['type']).__name__}")
    return material


def _method_name(event: Any) -> str | None:
    """Return the name of the method with which an event was encrypted, `None` if it is not encrypted."""
    event_type = event.get("type") if isinstance(event, Mapping) else None
    if not isinstance(event_type, str) or not event_type.startswith(_PREFIX):
        return None
    return event_type.removeprefix(_PREFIX) or None


def _method_of_files(event: Mapping[str, Any]) -> str:
    name = _method_name(event)
    if name is None:
        raise DecryptionError("it is not encrypted")
    return name


@without_frames
def _applied(function: Callable[[Any, Any], T], value: Any, key: _Key) -> T:
    """Call a function of a method with a key."""
    return function(value, key.value)


def _decrypted(function: Callable[[Any, Any], Any], value: Any, key: _Key) -> Any:
    """Call a function of a method that decrypts.

    Raises:
        DecryptionError: it failed.
    """
    try:
        return _applied(function, value, key)
    except DecryptionError:
        raise
    except Exception as error:  # noqa: BLE001  (its text may show anything)
        problem = type(error).__name__
    raise DecryptionError(f"the method failed: {problem}")


def _naming(event: Any, function: Callable[..., T], *arguments: Any) -> T:
    """Call a function that decrypts something of an event, and name the event in its failures.

    Raises:
        DecryptionError: it failed. The frames below are not in its traceback: they hold what was decrypted.
    """
    try:
        return function(*arguments)
    except DecryptionError as error:
        problem = str(error)
    event_id = event.get("id") if isinstance(event, Mapping) else None
    event_id = event_id if isinstance(event_id, str) else None
    name = "the event" if event_id is None else f"the event {event_id[:_SHOWN]}"
    raise DecryptionError(f"{name} cannot be decrypted: {problem}", event_id=event_id)


def _restored(event: Mapping[str, Any], material: Mapping[str, Any]) -> Any:
    """Return an event with what was decrypted; members that are in clear stay as they are."""
    more = {name: value for name, value in material.items() if name not in _CLEAR and name not in event}
    return {**event, "type": material["type"], "content": material["content"], **more, _FROM: event}


def _check_bytes(data: object) -> None:
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"data are bytes, not {type(data).__name__}")
