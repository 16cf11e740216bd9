"""However many ask, the question is put once in a while."""

import asyncio

import pytest

from shared.at_most_every import AtMostEvery


class Question:
    def __init__(self) -> None:
        self.asked = 0
        self.answered = asyncio.Event()
        self.error: Exception | None = None

    async def ask(self) -> int:
        self.asked += 1
        await self.answered.wait()
        if self.error:
            raise self.error
        return self.asked


@pytest.fixture
def question() -> Question:
    return Question()


async def test_those_who_ask_at_once_share_an_answer(question: Question) -> None:
    recent = AtMostEvery(60, question.ask)
    asking = [asyncio.create_task(recent()) for _ in range(50)]
    await asyncio.sleep(0)
    question.answered.set()
    assert set(await asyncio.gather(*asking)) == {1}
    assert await recent() == 1
    assert question.asked == 1


async def test_an_old_answer_is_asked_for_again(question: Question) -> None:
    question.answered.set()
    recent = AtMostEvery(0, question.ask)
    assert [await recent(), await recent()] == [1, 2]


async def test_an_error_is_shared_too(question: Question) -> None:
    question.answered.set()
    question.error = LookupError("away")
    recent = AtMostEvery(60, question.ask)
    for _ in range(3):
        with pytest.raises(LookupError, match="away"):
            await recent()
    assert question.asked == 1


async def test_a_question_that_was_given_up_is_not_asked_again_at_once(question: Question) -> None:
    recent = AtMostEvery(60, question.ask)
    first = asyncio.create_task(recent())
    second = asyncio.create_task(recent())
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(TimeoutError):
        await second
    assert question.asked == 1
