"""Open loop: people come when they come, however slow the answers are.

The actions of the mix begin on a schedule (`open_loop.py`); each user that carries them out has an account
of its own.
"""

from locust import task

from loadtests.calls import Calls
from loadtests.diamonds import load_diamonds
from loadtests.mix import pick
from loadtests.scenarios import options
from loadtests.scenarios.open_loop import OpenLoopUser
from loadtests.visitor import Visitor

DIAMONDS = load_diamonds()


class Hand(OpenLoopUser):
    """Takes the next due action."""

    def on_start(self) -> None:
        self.visitor = Visitor(DIAMONDS)
        self.visitor.arrive(Calls(self.client))

    @task
    def act(self) -> None:
        self.visitor.act(pick(options.mix(self.environment)), Calls(self.client))
