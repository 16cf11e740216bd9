"""Versions that come and go while requests are answered."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Final, TypeVar

from ml_predict.exceptions import (
    BodyInvalid,
    ModelInUse,
    ModelNotFound,
    ModelRejected,
    StateUnreadable,
    StateUnusable,
)
from ml_predict.model import Model
from ml_predict.repository import Repository
from ml_predict.serving_state import ModelState, ServingState, StateFile, Traffic
from shared.logging import get_logger

FOLLOW_SECONDS: Final = 0.5
"""How often a worker looks whether another one has changed something."""
Result = TypeVar("Result")
log = get_logger()


class Versions:
    """Loading happens in a thread of its own; what is served changes when all of it is verified and warm."""

    def __init__(
        self, repository: Repository, state: StateFile, pool: Executor, *, main: str, watching: bool
    ) -> None:
        self._repository = repository
        self._state = state
        self._pool = pool
        self._main = main
        self._watching = watching
        # No file has this stamp, so the first look reads what was decided while the models were being loaded.
        self._seen: tuple[int, int] | None = (0, 0)
        self._changing = asyncio.Lock()

    async def follow(self) -> None:
        """Catch up with other workers and, if watching, with the folder. Raises StateUnusable."""
        stamp = self._state.stamp()
        if stamp == self._seen and not self._watching:
            return
        async with self._changing:
            state = await self._in_thread(self._state.read)
            asked = await self._in_thread(lambda: self._repository.stale(state, watching=self._watching))
            if asked or stamp != self._seen:
                self._repository.serve(state, await self._attempted(asked))
                log.info("models_followed", loaded=[f"{name}/{version}" for name, version, _ in asked])
            self._seen = stamp

    async def load(self, name: str, version: str | None = None) -> list[str]:
        """Load one version, or all in the model's folder, anew; the versions now served are returned.

        Raises ModelNotFound, ModelRejected (then nothing has changed), StateUnreadable or StateUnwritable.
        """
        async with self._changing:
            stored = await self._in_thread(self._repository.stored)
            found = [each for each in stored if each[0] == name and version in {None, each[1]}]
            if not found:
                raise ModelNotFound(f"There is no folder for {name[:100]} {(version or '')[:100]}.")
            fresh = await self._attempted([(*each, None) for each in found])
            if len(fresh) < len(found):
                raise ModelRejected("; ".join(self._reasons(found)))

            def with_loaded(state: ModelState) -> ModelState:
                digests = {model.ref.version: model.digest for model in fresh}
                left = tuple(each for each in state.unloaded if each not in digests)
                return state.model_copy(update={"loaded": state.loaded | digests, "unloaded": left})

            await self._change(name, with_loaded, fresh)
            log.info("model_loaded", model=name, versions=[model.ref.version for model in fresh])
            return sorted(self._repository.serving(name).versions)

    async def unload(self, name: str, version: str | None = None) -> None:
        """Stop serving one version, or the whole model. What is being computed is finished.

        Raises ModelNotFound, ModelInUse, StateUnreadable or StateUnwritable.
        """
        async with self._changing:
            served = self._repository.serving(name).versions
            going = set(served) if version is None else {self._repository.find(name, version).ref.version}
            if name == self._main and not set(served) - going:
                raise ModelInUse(f"{name} answers where no model is named.")

            def without(state: ModelState) -> ModelState:
                if version is not None and version in state.traffic.named:
                    raise ModelInUse(f"{name} {version} has a part in the model's traffic.")
                loaded = {each: digest for each, digest in state.loaded.items() if each not in going}
                gone = tuple(sorted({*state.unloaded, *going}))
                traffic = Traffic() if version is None else state.traffic
                return ModelState(loaded=loaded, unloaded=gone, traffic=traffic)

            await self._change(name, without)
            log.info("model_unloaded", model=name, versions=sorted(going))

    async def traffic(self, name: str) -> Traffic:
        """Who answers for a model. Raises ModelNotFound or StateUnreadable."""
        self._repository.serving(name)
        return (await self._stored(self._state.read)).of(name).traffic

    async def route(self, name: str, traffic: Traffic) -> Traffic:
        """Change it, for the next request on.

        Raises ModelNotFound, BodyInvalid, StateUnreadable or StateUnwritable.
        """
        async with self._changing:
            served = self._repository.serving(name).versions
            if absent := sorted(traffic.named - set(served)):
                raise BodyInvalid.of([(("body",), f"version {absent[0]} is not loaded", "not_loaded")])
            await self._change(name, lambda state: state.model_copy(update={"traffic": traffic}))
            log.info("model_traffic", model=name, **traffic.model_dump())
            return traffic

    async def _change(
        self, name: str, change: Callable[[ModelState], ModelState], fresh: Iterable[Model] = ()
    ) -> None:
        state = await self._stored(lambda: self._state.change(name, change))
        self._repository.serve(state, fresh)

    async def _attempted(self, asked: Sequence[tuple[str, str, str | None]]) -> list[Model]:
        """Those of the versions that can be used."""
        tried = [await self._in_thread(partial(self._repository.attempt, *one)) for one in asked]
        return [model for model in tried if model is not None]

    def _reasons(self, found: Sequence[tuple[str, str]]) -> list[str]:
        return [str(self._repository.refused[each]) for each in found if each in self._repository.refused]

    async def _stored(self, call: Callable[[], ServingState]) -> ServingState:
        try:
            return await self._in_thread(call)
        except StateUnusable as error:
            raise StateUnreadable from error

    async def _in_thread(self, call: Callable[[], Result]) -> Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, call)
