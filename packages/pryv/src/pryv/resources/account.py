"""The account: the data, the password and the name of its user."""

from __future__ import annotations

from pryv._arguments import as_dict, require
from pryv._display import secret
from pryv._transport.timeouts import DEFAULT, CallTimeout
from pryv.resources._resource import Resource
from pryv.types import AccountInfo, AccountUpdate, Untyped, UsernameChange, UsernameChanges


class Account(Resource):
    """The user's data, password and name; this needs a personal token. No change is ever sent twice."""

    def get(self, *, timeout: CallTimeout = DEFAULT) -> AccountInfo:
        """Return the data of the account: the user's name, e-mail addresses and language, and the storage used.

        See `Get account information <https://pryv.github.io/reference/#get-account-information>`__ in the API
        reference.

        Args:
            timeout: Replaces the connection's timeout.

        Raises:
            ForbiddenError: the token is not a personal one.
            PryvError: the call failed; see *Errors and retries*.
        """
        return self._one(AccountInfo, "account", "account.get", "GET", "account", timeout)

    def update(self, changes: AccountUpdate | Untyped, *, timeout: CallTimeout = DEFAULT) -> AccountInfo:
        """Change the e-mail addresses or the language, and return the data of the account.

        An added address has the status `pending`. The platform sends a token to it, which `Service.verify_email` takes.

        See `Update account information <https://pryv.github.io/reference/#update-account-information>`__ in the API
        reference.

        Args:
            changes: The members to change.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: `changes` is not a dict, or a value has no JSON form.
            ValueError: a value has no JSON form.
            ItemAlreadyExistsError: another account has the e-mail address.
            ForbiddenError: the token is not a personal one.
            PryvError: the call failed; see *Errors and retries*.
        """
        data = as_dict(changes, "changes")
        return self._one(AccountInfo, "account", "account.update", "PUT", "account", timeout, data=data)

    def change_password(self, old: str, new: str, *, timeout: CallTimeout = DEFAULT) -> None:
        """Change the user's password. Sessions and accesses stay valid.

        See `Change password <https://pryv.github.io/reference/#change-password>`__ in the API reference.

        Args:
            old: The current password.
            new: The new password.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: a password is not a string.
            ValueError: a password is empty.
            InvalidParametersError: the current password is wrong (`invalid-operation`), or the platform does not accept
                the new one.
            ForbiddenError: the token is not a personal one.
            PryvError: the call failed; see *Errors and retries*.
        """
        old, new = secret(old), secret(new)
        require(old=old, new=new)
        data = {"oldPassword": old, "newPassword": new}
        self._call("account.changePassword", "POST", "account/change-password", timeout, data=data)

    def change_username(self, new: str, *, timeout: CallTimeout = DEFAULT) -> UsernameChange:
        """Change the user's name, as often as the platform allows it.

        The connection keeps its endpoint, since former names remain valid in URLs. A login needs the new name; it
        starts a new session of its app, after which the app's former personal token may be refused at any time.

        See `Account management <https://pryv.github.io/reference/#account-management>`__ in the API reference.

        Args:
            new: The new name, 5 to 60 characters of a-z 0-9 -.
            timeout: Replaces the connection's timeout.

        Returns:
            The response: `account`, without `emails`, and `usernameChangesRemaining`.

        Raises:
            TypeError: the name is not a string.
            ValueError: the name is empty.
            ItemAlreadyExistsError: the name is taken.
            InvalidParametersError: the name is reserved or the current one, or no change is left (`invalid-operation`).
            ForbiddenError: the token is not a personal one.
            PryvError: the call failed; see *Errors and retries*.
        """
        require(new=new)
        method, data = "account.changeUsername", {"newUsername": new}
        members = {"account": dict, "usernameChangesRemaining": int}
        try:
            return self._with(UsernameChange, members, method, "POST", "account/change-username", timeout, data=data)
        finally:
            self._account.state.access_info = None  # it has the username

    def username_changes(self, *, timeout: CallTimeout = DEFAULT) -> UsernameChanges:
        """Return how often the user's name was changed, and how often it can be.

        See `Account management <https://pryv.github.io/reference/#account-management>`__ in the API reference.

        Args:
            timeout: Replaces the connection's timeout.

        Raises:
            ForbiddenError: the token is not a personal one.
            PryvError: the call failed; see *Errors and retries*.
        """
        method, members = "account.usernameChanges", dict.fromkeys(UsernameChanges.__annotations__, int)
        return self._with(UsernameChanges, members, method, "GET", "account/username-changes", timeout)
