"""Conditional requests (RFC 9110, section 13): a read that is not repeated, a write that overwrites nobody's.

A tag is strong: the digest of what is shown. `If-None-Match` on a read answers 304 for a tag that is still
true; `If-Match` on a write answers 412 for one that is not, which is found out where the row is locked.
"""

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, Final, TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from shared.exceptions import BadRequest, ServiceError
from shared.problems import handles

ANY: Final = "*"
_TAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_BETWEEN: Final = re.compile(r"[ \t]*(?:,[ \t,]*|$)")

Shown = TypeVar("Shown", bound=BaseModel)


class PreconditionFailed(ServiceError):
    status, code, title = 412, "precondition_failed", "It was changed meanwhile"
    advice = "Read it again, and repeat the request with its new ETag."


class ConditionMalformed(BadRequest):
    code, title = "malformed_condition", "The condition is no list of entity tags"


class NotModified(Exception):
    """What the caller has is still true."""

    def __init__(self, tag: str, cache: str) -> None:
        super().__init__(tag)
        self.headers = {"ETag": tag, "Cache-Control": cache}


@handles(NotModified)
async def not_modified(_: Request, unchanged: NotModified) -> Response:
    return Response(status_code=304, headers=unchanged.headers)


def tag_of(shown: BaseModel) -> str:
    digest = blake2b(shown.model_dump_json().encode(), digest_size=12).digest()
    return f'"{urlsafe_b64encode(digest).decode()}"'


def parse_tags(lines: Sequence[str]) -> list[str] | None:
    """The tags of a header, `["*"]` for any. None if it cannot be read."""
    text = ",".join(lines).strip(" \t,")
    if text == ANY:
        return [ANY]
    tags, place = [], 0
    while place < len(text):
        tag = _TAG.match(text, place)
        between = tag and _BETWEEN.match(text, tag.end())
        if not tag or not between:
            return None
        tags.append(tag[0])
        place = between.end()
    return tags or None


class Conditions:
    """What the caller has seen before, and what is told of what is shown now."""

    def __init__(self, response: Response, match: Sequence[str], none_match: Sequence[str]) -> None:
        self._response = response
        self._match = match
        self._none_match = none_match

    @property
    def given(self) -> bool:
        """Whether there are any: they are about what is stored, not about what a cache remembers of it."""
        return bool(self._match or self._none_match)

    def shown(self, answer: Shown, cache: str) -> Shown:
        """For a read. Raises NotModified, PreconditionFailed or ConditionMalformed."""
        tag = tag_of(answer)
        self._require_match(tag)
        if self._is_known(tag):
            raise NotModified(tag, cache)
        self._response.headers.update({"ETag": tag, "Cache-Control": cache})
        return answer

    def changed(self, answer: Shown) -> Shown:
        """For what a write has made."""
        self._response.headers["ETag"] = tag_of(answer)
        return answer

    def on(self, model: type[BaseModel]) -> Callable[[Any], None]:
        """For a write: to be called with what is stored, when it is locked.

        It raises PreconditionFailed or ConditionMalformed.
        """

        def require(stored: Any) -> None:
            if self.given:
                tag = tag_of(model.model_validate(stored))
                self._require_match(tag)
                if self._none_match and parse_tags(self._none_match) is None:
                    raise ConditionMalformed  # what was not understood must not be overwritten
                if self._is_known(tag):
                    raise PreconditionFailed

        return require

    def _require_match(self, tag: str) -> None:
        """A weak tag matches nothing here."""
        if self._match:
            tags = parse_tags(self._match)
            if tags is None:
                raise ConditionMalformed
            if tag not in tags and tags != [ANY]:
                raise PreconditionFailed

    def _is_known(self, tag: str) -> bool:
        """A header that cannot be read names nothing: whoever reads then gets the whole answer."""
        tags = parse_tags(self._none_match) if self._none_match else None
        return tags is not None and (tags == [ANY] or tag in {known.removeprefix("W/") for known in tags})


def unconditional(_stored: Any) -> None:
    """For a rule that is called without a condition."""
