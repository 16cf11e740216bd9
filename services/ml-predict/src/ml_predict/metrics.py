"""What Prometheus sees of models: waiting, batches, computing, and what was never computed."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from ml_predict.model import Model
from shared.gathering import GATHERING
from shared.metrics import Counts, Durations

LABELS: Final = ["model", "version"]
SECONDS: Final = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 2.0)
ROWS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SHARES: Final = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)

TOTAL: Final = Histogram(
    "ml_request_seconds",
    "Seconds from a body to its answer, reading and rendering included.",
    LABELS,
    buckets=SECONDS,
)
QUEUE: Final = Histogram(
    "ml_queue_requests", "Requests that were waiting when another one came to wait.", LABELS, buckets=ROWS
)
WAIT: Final = Histogram("ml_wait_seconds", "Seconds in the queue before a call.", LABELS, buckets=SECONDS)
COMPUTE: Final = Histogram("ml_compute_seconds", "Seconds of one call of a model.", LABELS, buckets=SECONDS)
BATCH: Final = Histogram("ml_batch_rows", "Rows of one call of a model.", LABELS, buckets=ROWS)
DROPPED: Final = Counter("ml_dropped_total", "Requests never computed: nobody waited.", [*LABELS, "reason"])
REFUSED: Final = Counter("ml_refused_total", "Requests refused because the queue was full.", LABELS)
BATCHING: Final = Gauge(
    "ml_batching", "1 if requests for the model are batched.", LABELS, multiprocess_mode="livemostrecent"
)
DIFFERENCE: Final = Histogram(
    "ml_shadow_difference",
    "Largest relative difference between a shadow and the answer.",
    LABELS,
    buckets=SHARES,
)
NOT_COMPARED: Final = Counter(
    "ml_shadow_not_compared_total", "Requests that a shadow was not compared on.", [*LABELS, "reason"]
)


class ModelMetrics:
    """Gathered, as all metrics are: the hot path only counts."""

    def __init__(self) -> None:
        self._total = Durations(TOTAL, SECONDS)
        self._queue = Durations(QUEUE, ROWS)
        self._wait = Durations(WAIT, SECONDS)
        self._compute = Durations(COMPUTE, SECONDS)
        self._batch = Durations(BATCH, ROWS)
        self._difference = Durations(DIFFERENCE, SHARES)
        self._dropped = Counts(DROPPED)
        self._refused = Counts(REFUSED)
        self._not_compared = Counts(NOT_COMPARED)

    def loaded(self, model: Model) -> None:
        BATCHING.labels(*model.labels).set(model.batches)

    def answered(self, model: Model, seconds: float) -> None:
        self._total.observe(seconds, *model.labels)

    def queued(self, model: Model, before: int) -> None:
        self._queue.observe(before, *model.labels)

    def waited(self, model: Model, seconds: float) -> None:
        self._wait.observe(seconds, *model.labels)

    def computed(self, model: Model, rows: int, seconds: float) -> None:
        self._compute.observe(seconds, *model.labels)
        self._batch.observe(rows, *model.labels)
        GATHERING.touch()

    def dropped(self, model: Model, reason: str, count: int = 1) -> None:
        self._dropped.add(count, *model.labels, reason)
        GATHERING.touch()

    def refused(self, model: Model) -> None:
        self._refused.add(1, *model.labels)
        GATHERING.touch()

    def shadow_compared(self, shadow: Model, difference: float) -> None:
        self._difference.observe(difference, *shadow.labels)
        GATHERING.touch()

    def shadow_not_compared(self, shadow: Model, reason: str) -> None:
        self._not_compared.add(1, *shadow.labels, reason)
        GATHERING.touch()


MODEL_METRICS: Final = ModelMetrics()
