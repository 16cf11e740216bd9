"""What Prometheus sees of models: waiting, batches, computing, and what was never computed."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from ml_predict.model import Model
from shared.gathering import GATHERING
from shared.metrics import Counts, Durations

LABELS: Final = ["model", "version"]
SECONDS: Final = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 2.0)
ROWS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

WAIT = Histogram("ml_wait_seconds", "Seconds in the queue before a call.", LABELS, buckets=SECONDS)
COMPUTE = Histogram("ml_compute_seconds", "Seconds of one call of a model.", LABELS, buckets=SECONDS)
BATCH = Histogram("ml_batch_rows", "Rows of one call of a model.", LABELS, buckets=ROWS)
DROPPED = Counter("ml_dropped_total", "Requests never computed: nobody waited.", [*LABELS, "reason"])
REFUSED = Counter("ml_refused_total", "Requests refused because the queue was full.", LABELS)
BATCHING = Gauge(
    "ml_batching", "1 if requests for the model are batched.", LABELS, multiprocess_mode="livemostrecent"
)


class ModelMetrics:
    """Gathered, as all metrics are: the hot path only counts."""

    def __init__(self) -> None:
        self._wait = Durations(WAIT, SECONDS)
        self._compute = Durations(COMPUTE, SECONDS)
        self._batch = Durations(BATCH, ROWS)
        self._dropped = Counts(DROPPED)
        self._refused = Counts(REFUSED)

    def loaded(self, model: Model) -> None:
        BATCHING.labels(*_labels(model)).set(model.batches)

    def waited(self, model: Model, seconds: float) -> None:
        self._wait.observe(seconds, *_labels(model))

    def computed(self, model: Model, rows: int, seconds: float) -> None:
        labels = _labels(model)
        self._compute.observe(seconds, *labels)
        self._batch.observe(rows, *labels)
        GATHERING.touch()

    def dropped(self, model: Model, reason: str) -> None:
        self._dropped.add(1, *_labels(model), reason)
        GATHERING.touch()

    def refused(self, model: Model) -> None:
        self._refused.add(1, *_labels(model))
        GATHERING.touch()


def _labels(model: Model) -> tuple[str, str]:
    return model.ref.name, model.ref.version


MODEL_METRICS: Final = ModelMetrics()
