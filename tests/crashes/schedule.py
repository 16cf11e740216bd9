"""One seeded schedule: processes come and die, then all is finished, and what must hold is checked."""

import random
from collections.abc import Sequence
from functools import partial

from tests.crashes.actors import CARAT, Actors
from tests.crashes.appraising import carats
from tests.crashes.checks import Checks
from tests.crashes.lives import Lives, Step, Work
from tests.crashes.models import Models

LIVES = (1, 2, 4, 8)  # how many steps a process would take if nothing killed it
ROUNDS = 200


class Schedule:
    """An account with listings, which may be deleted; and another one with a session that is refreshed again
    and again, and with a listing that is appraised."""

    def __init__(self, seed: int, actors: Actors, lives: Lives) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - a schedule, not a secret
        self._actors = actors
        self._lives = lives
        self._models = Models(seed, lives.world)
        self._listings: dict[str, int | None] = {}  # by key; none until an answer came
        self._imports: dict[str, bool] = {}  # by name; whether it was answered
        self._owner, _ = lives.here(actors.sign_up())
        self._visitor, token = lives.here(actors.sign_up())
        self._tokens = [token]
        self._appraised = lives.here(actors.list_once(self._visitor, f"{self._visitor}-appraised"))
        self._weights = [CARAT]  # that the listing was to have, in this order
        self._weighed = 0  # the last of them that was acknowledged
        self._checks = Checks(actors, self._owner)

    def run(self) -> None:
        """Raises AssertionError if something that must hold does not."""
        before = self._lives.here(self._actors.announced())
        self._live(self._drawn(self._chance.randint(4, 8)))
        if self._chance.random() < 0.1:
            self._models.lost_all()
            self._lives.here(self._actors.lose_redis())
        elif self._chance.random() < 0.2:
            self._lives.here(self._models.lose(self._actors, self._chance, before))
        self._finish_listings()
        if self._chance.random() < 0.4:
            delete = Step("delete", lambda actors: actors.delete(self._owner))
            self._live([delete, self._listing_of(self._key()), self._send(), self._consume()])
            self._lives.here(self._actors.delete(self._owner))
        else:
            self._live([self._change(), self._send(), self._consume()])
        self._lives.here(self._check_weight())
        self._lives.here(self._models.finish(self._actors, self._diamonds, self._weigh_now, self._chance))
        self._finish_events()
        self._lives.here(self._checks.check_owner(self._listings, self._imports))
        replaced = self._chance.choice(self._tokens)
        self._lives.here(self._checks.check_session(self._visitor, self._tokens, replaced))

    def _drawn(self, number: int) -> list[Step]:
        kinds = [self._list, self._list, self._list_again, self._refresh, self._refresh, self._change]
        kinds += [self._import, self._import]
        kinds += [self._send, self._consume, self._send, self._consume]
        kinds += [self._announce, self._appraise, self._appraise, self._weigh]
        return [self._chance.choice(kinds)() for _ in range(number)]

    def _live(self, steps: Sequence[Step]) -> None:
        """Until each step was taken or has killed its process."""
        while steps:
            number = self._chance.choice(LIVES)
            steps = [*self._lives.live(self._chance, steps[:number]), *steps[number:]]
            self._lives.here(self._models.look(self._actors))
            if self._chance.random() < 0.2:
                self._lives.here(self._models.settle(self._actors))

    @property
    def _diamonds(self) -> list[int]:
        """The listing that is certainly there, and all others that were acknowledged."""
        return [self._appraised, *(item_id for item_id in self._listings.values() if item_id is not None)]

    def _key(self) -> str:
        key = f"{self._owner}-{len(self._listings)}"
        self._listings[key] = None
        return key

    def _listing_of(self, key: str) -> Step:
        return Step("list", lambda actors: actors.list_once(self._owner, key), partial(self._note, key))

    def _list(self) -> Step:
        return self._listing_of(self._key())

    def _list_again(self) -> Step:
        return self._listing_of(self._chance.choice(list(self._listings))) if self._listings else self._list()

    def _import(self) -> Step:
        """A new file, or the newest one again."""
        if not self._imports or self._chance.random() < 0.3:
            self._imports[f"import-{self._owner}-{len(self._imports)}"] = False
        name = list(self._imports)[-1]

        def note(answer: bool) -> None:
            self._imports[name] |= answer

        return Step("import", self._import_of(name), note)

    def _import_of(self, name: str) -> Work:
        return lambda actors: actors.import_all(self._owner, name)

    def _note(self, key: str, answer: int | None) -> None:
        known = self._listings[key]
        assert None in {known, answer} or known == answer, f"{key} was {known} and is {answer}"
        self._listings[key] = known if answer is None else answer

    def _refresh(self) -> Step:
        def note(answer: str | None) -> None:
            assert answer, "a token that was acknowledged is refused"
            self._tokens.append(answer)

        return Step("refresh", lambda actors: actors.refresh(self._tokens[-1]), note)

    def _change(self) -> Step:
        active = self._chance.random() < 0.5
        return Step("change", lambda actors: actors.set_active(self._owner, active=active))

    def _send(self) -> Step:
        return Step("send", lambda actors: actors.send())

    def _consume(self) -> Step:
        return Step("consume", self._models.consume)

    def _announce(self) -> Step:
        if self._chance.random() < 0.7:
            self._models.decide()
        return Step("announce", self._models.announce)

    def _appraise(self) -> Step:
        late = self._chance.random() < 0.3
        return Step("appraise", lambda actors: self._models.appraise(actors, self._diamonds, late=late))

    def _weigh(self) -> Step:
        """The listing gets other features."""
        number = len(self._weights)
        self._weights.append(carat := round(self._chance.uniform(0.2, 5), 2))

        def note(_: None) -> None:
            self._weighed = number

        return Step("weigh", lambda actors: actors.weigh(self._visitor, self._appraised, carat), note)

    async def _weigh_now(self, actors: Actors) -> None:
        await self._weigh().work(actors)

    async def _check_weight(self) -> None:
        """It is the last that was acknowledged, or one whose process died later."""
        found = (await carats(self._actors.items_database, [self._appraised]))[self._appraised]
        assert found in self._weights[self._weighed :], f"{found} carat, of {self._weights}"

    def _finish_listings(self) -> None:
        """The client asks again until it has an answer; those that it has must come again."""
        for key in self._listings:
            self._note(key, answer := self._lives.here(self._listing_of(key).work(self._actors)))
            assert answer == self._listings[key], f"the answer to {key} was lost"

        for name, answered in self._imports.items():
            again = self._lives.here(self._import_of(name)(self._actors))
            self._imports[name] = answered or again

    def _finish_events(self) -> None:
        for _ in range(ROUNDS):
            self._lives.here(self._actors.send())
            self._lives.here(self._actors.consume())
            if self._lives.here(self._checks.is_quiet()):
                return
        raise AssertionError("events were lost: they never arrived")
