"""Field types of accounts: what an email, a name and a password may be."""

import re
import unicodedata
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, EmailStr, Field, SecretStr, TypeAdapter, ValidationError

from shared.fields import NOT_BLANK, UNSEEN, VISIBLE, Text, at_most

_UNSEEN: Final = re.compile(f"[{UNSEEN}]")


def _trimmed(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _like_no_other(email: str) -> str:
    """`ﬁ` is `fi` to whoever reads it, and a variation selector is not to be seen at all."""
    if unicodedata.normalize("NFKC", email) != email or _UNSEEN.search(email):
        raise ValueError("must not contain characters that look like others, or are not shown")
    return email


def _without_half_surrogates(password: SecretStr) -> SecretStr:
    """JSON can hold half a surrogate pair. The form of a sign-in cannot, so nobody could sign in with it."""
    if any("\ud800" <= character <= "\udfff" for character in password.get_secret_value()):
        raise ValueError("must not contain half of a surrogate pair")
    return password


Email = Annotated[
    EmailStr, BeforeValidator(_trimmed), AfterValidator(str.lower), Field(examples=["ada@example.com"])
]
# For a new account or a changed email. Accounts that have another one keep it.
NewEmail = Annotated[Email, AfterValidator(_like_no_other)]
Name = Annotated[Text, Field(max_length=100, examples=["Ada Lovelace"]), NOT_BLANK, VISIBLE, at_most(100)]
Password = Annotated[
    SecretStr,
    Field(min_length=8, max_length=128, examples=["correct horse battery"]),
    AfterValidator(_without_half_surrogates),
]
GivenSecret = Annotated[SecretStr, Field(max_length=512)]

_EMAIL: TypeAdapter[str] = TypeAdapter(Email)


def canonical_email(given: str) -> str | None:
    """The form in which it is stored, or None if it is not a valid email."""
    try:
        return _EMAIL.validate_python(given)
    except ValidationError:
        return None
