"""What `users` tells the others: facts about accounts, which `users.relay` sends to `events:users`."""

from typing import ClassVar, Final

from pydantic import Field

from shared.events import Fact

STREAM: Final = "events:users"


class AccountFact(Fact):
    user_id: int = Field(description="Of the account, which is the `sub` of its tokens.")


class UserDeleted(AccountFact):
    """The account is gone for good, by its owner or by an administrator."""

    kind: ClassVar[str] = "user.deleted"


class UserDeactivated(AccountFact):
    """Nobody can sign in to the account until it is reactivated."""

    kind: ClassVar[str] = "user.deactivated"


class UserReactivated(AccountFact):
    """The account is as it was before it was deactivated."""

    kind: ClassVar[str] = "user.reactivated"
