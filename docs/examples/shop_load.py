"""Who buys in the shop, for `facet-tune` and for locust itself: two reads in three, and a start page."""

import random

from locust import task

from loadtests.scenarios.open_loop import OpenLoopUser


class Buyer(OpenLoopUser):
    """Each task is begun when it is due, however late the answers are."""

    @task(2)
    def read(self) -> None:
        self.client.get(f"/items/{random.randint(1, 1000)}", name="/items/{id}")  # noqa: S311 - load

    @task
    def arrive(self) -> None:
        self.client.get("/")
