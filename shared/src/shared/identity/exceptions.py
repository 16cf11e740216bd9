"""Reasons for refusing a caller."""

from typing import ClassVar

from shared.exceptions import Forbidden, Unauthenticated, Unavailable


class TokenMissing(Unauthenticated):
    code = "token_missing"
    advice = "Send `Authorization: Bearer <access token>` or `X-API-Key: <API key>`."


class TokenInvalid(Unauthenticated):
    """RFC 6750, section 3.1: expired, revoked, malformed or not ours; the caller is not told which."""

    code, title = "token_invalid", "The access token is not valid"
    advice = "Refresh it or sign in again."
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class AdminOnly(Forbidden):
    code, title = "admin_only", "Only an administrator may do this"


class InsufficientScope(Forbidden):
    """RFC 6750, section 3.1: the token is valid, but its scopes do not cover the request."""

    code, title = "insufficient_scope", "The scopes of this token do not allow it"
    advice = "GET and HEAD need the scope read, all other methods the scope write."
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}


class KeysUnavailable(Unavailable):
    """The signing keys were never fetched, so no token can be judged."""

    code, title = "keys_unavailable", "Tokens cannot be verified now"


class RevocationsUnknown(Unavailable):
    """The list of ended sessions was never read, so an ended one could not be told from a live one."""

    code, title = "revocations_unknown", "Tokens cannot be verified now"
