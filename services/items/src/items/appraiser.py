"""Asks ml-predict for prices, and names each way in which that can fail."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated

import httpx2
from pydantic import BaseModel, Field, ValidationError

from items.domain import Appraisal, Features, Model
from items.exceptions import AppraisalFailed, AppraisalTimeout, AppraisalUnavailable
from items.money import TOO_MUCH, two_places
from shared.identity.exceptions import TokenInvalid

Estimated = Annotated[Decimal, Field(gt=0, lt=TOO_MUCH, allow_inf_nan=False)]


class _Prediction(BaseModel):
    estimate: Estimated
    low: Estimated
    high: Estimated


class _Answer(BaseModel):
    """The part of an answer of `POST /predict` that is used here."""

    model: Model
    canary: bool = False
    predictions: list[_Prediction]


class _Refusal(BaseModel):
    """The part of a 422 that is used here: positions of the diamonds that the model does not price."""

    refused_instances: frozenset[int]


@dataclass(frozen=True, slots=True)
class Appraised:
    """`by_canary` is true if another version than the default answered. No model, if all were refused."""

    model: Model | None
    by_canary: bool
    appraisals: Sequence[Appraisal]
    refused: Collection[int] = ()


class Appraiser:
    """`timeout` is seconds for the whole exchange; the client's own timeout starts again with each read."""

    def __init__(self, client: httpx2.AsyncClient, timeout: float) -> None:
        self._client = client
        self.timeout = timeout

    async def appraise(self, diamonds: Mapping[int, Features], token: str) -> Appraised:
        """One request for all `diamonds`, by their listings' ids; if some are refused, one for the rest.

        Asks with the caller's own token, which ml-predict verifies too.

        Raises AppraisalUnavailable, AppraisalTimeout or AppraisalFailed, and TokenInvalid when ml-predict
        refuses the token: it expired, or its session ended, after it was verified here.
        """
        refused, response = await self._ask(diamonds, token)
        if response is None:
            return Appraised(None, False, [], refused)
        answer = _read(response)
        priced = [item_id for item_id in diamonds if item_id not in refused]
        if len(answer.predictions) != len(priced):
            raise AppraisalFailed
        now = datetime.now(UTC)
        appraisals = [
            Appraisal(
                item_id=item_id,
                estimate=two_places(prediction.estimate),
                low=two_places(prediction.low),
                high=two_places(prediction.high),
                model=answer.model,
                appraised_at=now,
            )
            for item_id, prediction in zip(priced, answer.predictions, strict=True)
        ]
        return Appraised(answer.model, answer.canary, appraisals, refused)

    async def _ask(
        self, diamonds: Mapping[int, Features], token: str
    ) -> tuple[frozenset[int], httpx2.Response | None]:
        """The ids of those that are refused, and the answer for the others, if there are any."""
        try:
            async with asyncio.timeout(self.timeout):
                response = await self._post(diamonds.values(), token)
                refused = _refused(response, list(diamonds))
                rest = [one for item_id, one in diamonds.items() if item_id not in refused]
                if refused and rest:
                    response = await self._post(rest, token)
                return refused, response if rest else None
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise AppraisalTimeout from error
        except httpx2.ConnectError as error:
            raise AppraisalUnavailable from error
        except httpx2.HTTPError as error:  # cut off, or no HTTP at all
            raise AppraisalFailed from error

    async def _post(self, diamonds: Iterable[Features], token: str) -> httpx2.Response:
        return await self._client.post(
            "/predict",
            json={"instances": [dict(diamond) for diamond in diamonds]},
            headers={"Authorization": f"Bearer {token}"},
        )


def _refused(response: httpx2.Response, asked: Sequence[int]) -> frozenset[int]:
    """Which of those that were `asked` for the model does not price. None, if the answer does not say so."""
    if response.status_code != HTTPStatus.UNPROCESSABLE_ENTITY:
        return frozenset()
    try:
        positions = _Refusal.model_validate_json(response.content).refused_instances
    except ValidationError:
        return frozenset()
    return frozenset(item_id for position, item_id in enumerate(asked) if position in positions)


def _read(response: httpx2.Response) -> _Answer:
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        raise TokenInvalid
    if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        raise AppraisalUnavailable(retry_after=response.headers.get("Retry-After"))
    try:
        response.raise_for_status()
        return _Answer.model_validate_json(response.content)
    except (httpx2.HTTPStatusError, ValidationError) as error:
        raise AppraisalFailed from error
