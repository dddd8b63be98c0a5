"""What happens on this server, counted and timed, in Prometheus' text form at `GET /metrics`.

One registry an application; nothing is global. Labels take their values from tables of ours, never from a request, so the
number of series is fixed. Behind the guard like every other route: who has a key may read it, and where no key is set, who
reaches the server. Names follow https://prometheus.io/docs/practices/naming/.
"""

from collections.abc import Callable, Iterable

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.errors import row
from assistant.assistant import Assistant
from assistant.errors import WaitedTooLong
from assistant.run import Run
from generation.base import Measures, ModelNotReady
from generation.gpu_memory import gpu_memory

FIRST = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160)
NEXT = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5)
WAIT = (0.01, 0.1, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320)
"""Bounds of buckets in seconds: of the first token, of the time between two, of the wait in the line."""


def routes(assistant: Assistant) -> APIRouter:
    """Return the route of the metrics, which count from now on."""
    router = APIRouter(tags=["metrics"])
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(EngineCollector(assistant))
    assistant.runs.watch(RunMetrics(registry, assistant))

    @router.get("/metrics")
    async def metrics() -> Response:
        """Everything that is measured, at this moment; on the loop, where the runs live, for it takes about a millisecond."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return router


class RunMetrics:
    """Counts and times runs; a `Watcher`."""

    def __init__(self, registry: CollectorRegistry, assistant: Assistant) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(name, text, buckets=buckets, registry=registry)

        def gauge(name: str, text: str, read: Callable[[], float]) -> None:
            Gauge(name, text, registry=registry).set_function(read)

        runs = assistant.runs
        gauge("chat_runs_active", "Answers that wait or run.", lambda: runs.active)
        gauge("chat_queue_depth", "Questions that wait for their turn.", lambda: runs.waiting)
        self._ended = counter("chat_runs_ended", "Answers that ended, by how.", "state")
        self._refused = counter("chat_refusals", "Questions refused, by the code of the error.", "reason")
        self._cancelled = counter("chat_cancellations", "Answers ended before their end, by when.", "when")
        self._invented = counter("chat_citations_invented", "Citations of passages that were never offered, taken out.")
        self._supported = counter("chat_document_answers", "Answers from documents, by what they rest on.", "support")
        self._prompt = counter("chat_prompt_tokens", "Tokens of all prompts given to the engine.")
        self._first = histogram(
            "chat_time_to_first_token_seconds", "From the question to the first text, the wait included.", FIRST
        )
        self._next = histogram("chat_inter_token_seconds", "Between two pieces of text of one answer.", NEXT)
        self._wait = histogram("chat_queue_wait_seconds", "From the finished prompt to the turn.", WAIT)

    def begun(self, run: Run) -> None:
        """Count the prompt and the wait of a run that goes to the engine."""
        if run.fitted is not None and run.waited is not None:
            self._prompt.inc(run.fitted.counts.total)
            self._wait.observe(run.waited)

    def text(self, run: Run, seconds: float | None) -> None:
        """Time a piece; the passages of a retrieval are no tokens."""
        if run.fitted is None:
            return
        if seconds is not None:
            self._next.observe(seconds)
        elif run.first_after is not None:
            self._first.observe(run.first_after)

    def ended(self, run: Run) -> None:
        """Count an end."""
        self._ended.labels(run.state).inc()
        if run.finish_reason == "cancelled":
            self._cancelled.labels("waiting" if run.began is None else "running").inc()
        if run.support is not None:
            self._invented.inc(run.support.invalid)
            self._supported.labels(run.support.kind).inc()
        if isinstance(run.error, WaitedTooLong):
            self.refused(run.error)

    def refused(self, error: Exception) -> None:
        """Count a refusal."""
        self._refused.labels(row(error).code).inc()


class EngineCollector(Collector):
    """What the engine tells of itself, asked when somebody looks; what it cannot know is left out."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant  # whose engine can change

    def collect(self) -> Iterable[Metric]:
        """Yield the engine's metrics."""
        restarts = getattr(self._assistant.engine, "restarts", 0)
        yield CounterMetricFamily("chat_engine_restarts", "Times that the engine was started again.", restarts)
        yield from _gpus()
        try:
            measures: Measures = self._assistant.engine.generator.measures()
        except ModelNotReady:
            return
        yield from _measures(measures)

    def describe(self) -> Iterable[Metric]:
        """Yield nothing: registering must not ask an engine that is not there yet."""
        return ()


def _measures(measures: Measures) -> Iterable[Metric]:
    gauges = {
        "chat_generations_active": ("Answers that the engine generates.", measures.active),
        "chat_kv_tokens_used": ("Tokens whose keys and values are in memory.", measures.kv_used),
        "chat_kv_tokens_limit": ("Tokens whose keys and values there is memory for.", measures.kv_total),
    }
    counters = {
        "chat_generated_tokens": ("Tokens that the engine generated.", measures.generated_tokens_total),
        "chat_prompt_tokens_cached": ("Tokens of prompts that the engine had kept from before.", measures.cached_tokens_total),
    }
    yield from (GaugeMetricFamily(name, text, value) for name, (text, value) in gauges.items() if value is not None)
    yield from (CounterMetricFamily(name, text, value) for name, (text, value) in counters.items() if value is not None)


def _gpus() -> Iterable[Metric]:
    used = GaugeMetricFamily("chat_gpu_memory_used_bytes", "Memory of the GPU in use.", labels=["gpu"])
    total = GaugeMetricFamily("chat_gpu_memory_total_bytes", "Memory of the GPU.", labels=["gpu"])
    for gpu in gpu_memory():
        used.add_metric([str(gpu.index)], gpu.used)
        total.add_metric([str(gpu.index)], gpu.total)
    return (used, total) if used.samples else ()
