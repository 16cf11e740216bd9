"""What can go wrong with accounts, sessions and keys."""

from shared.exceptions import (
    Conflict,
    Forbidden,
    NotFound,
    ServiceError,
    Unauthenticated,
    Unavailable,
    Unprocessable,
)
from shared.identity.exceptions import TokenInvalid


class EmailTaken(Conflict):
    code, title = "email_taken", "An account with this email exists"


class UserNotFound(NotFound):
    code, title = "user_not_found", "No such account"


class LastAdmin(Conflict):
    code, title = "last_admin", "The last active administrator must stay one"
    advice = "Make another account an administrator first."


class AccountGone(TokenInvalid):
    """The token is valid, but its account was deleted or deactivated."""


class InvalidCredentials(Unauthenticated):
    """Unknown email, wrong password or inactive account; the caller is not told which."""

    code, title = "invalid_credentials", "Wrong email or password"


class TooManyAttempts(ServiceError):
    """Applies to this address only; the account stays open to others."""

    status, code, title = 429, "too_many_attempts", "Too many failed sign-ins: wait a while"

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.headers = {"Retry-After": str(seconds)}  # type: ignore[misc]  # of this case only


class PasswordTooCommon(Unprocessable):
    code, title = "password_too_common", "This password is one of the first that are guessed"
    advice = "Choose another one."


class InvalidEmailToken(Unprocessable):
    """Unknown, used, expired, replaced or for another purpose; the caller is not told which."""

    code, title = "invalid_email_token", "The token from the mail is not valid"
    advice = "Ask for a new mail: a token works once, and only the newest one does."


class EmailNotVerified(Forbidden):
    """Only callers who know the password see this."""

    code, title = "email_not_verified", "Confirm your email first"
    advice = "POST /auth/email/verification sends the mail again."


class MailUnavailable(Unavailable):
    code, title = "mail_unavailable", "No mail can be sent here"


class WrongPassword(Forbidden):
    """403 and not 401: the token is valid, and the client should keep it."""

    code, title = "wrong_password", "The current password is wrong"


class InvalidRefreshToken(Unauthenticated):
    code, title = "invalid_refresh_token", "The refresh token is not valid"
    advice = "Sign in again."


class SessionNotFound(NotFound):
    code, title = "session_not_found", "No such session"


class SessionRequired(Forbidden):
    code, title = "session_required", "An API key may not do this: sign in"


class InvalidApiKey(Unauthenticated):
    code, title = "invalid_api_key", "The API key is not valid"
    advice = "Sign in and create another one."


class ApiKeyNotFound(NotFound):
    code, title = "api_key_not_found", "No such API key"


class TooManyApiKeys(Conflict):
    code, title = "too_many_api_keys", "There are too many API keys"
    advice = "Revoke one that is not used any more."


class RotationUnderWay(Conflict):
    code, title = "rotation_under_way", "An earlier new key does not sign yet: try again in a few minutes"


class Busy(Unavailable):
    code, title = "busy", "Too many sign-ins at once"
