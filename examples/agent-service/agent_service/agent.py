"""How a message is answered: validated, known or asked of the model, kept; counted, logged and traced."""

import asyncio
import time
from collections import OrderedDict, deque
from dataclasses import dataclass

import structlog
from opentelemetry import trace

from agent_service.metrics import Metrics
from agent_service.parts import Completion, Crm, Model, PartError, Store
from agent_service.switches import Switches

WORKERS = 8
_LONGEST = 4000
_MOST_WAITING = 1000
_MOST_KNOWN = 64
_PATIENCE_SECONDS = 5.0
_log = structlog.get_logger()
_tracer = trace.get_tracer("agent-service")


@dataclass(frozen=True, slots=True)
class Message:
    """What somebody said in a conversation."""

    session_id: str
    text: str


@dataclass(frozen=True, slots=True)
class _Waiting:
    message: Message
    since: float
    answer: asyncio.Future[str]


class Agent:
    """Answers messages, a few at a time; the others wait in a queue."""

    def __init__(self, metrics: Metrics, switches: Switches, model: Model, crm: Crm, store: Store) -> None:
        self._metrics = metrics
        self._switches = switches
        self._model = model
        self._crm = crm
        self._store = store
        self._known: OrderedDict[str, Completion] = OrderedDict()
        self._last: deque[bool] = deque(maxlen=200)
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(_MOST_WAITING)
        metrics.watch(store.connections, self._queue.qsize)

    async def ask(self, message: Message) -> str:
        """The answer. Raises PartError, and asyncio.QueueFull where too many wait already."""
        waiting = _Waiting(message, time.monotonic(), asyncio.get_running_loop().create_future())
        self._queue.put_nowait(waiting)
        return await waiting.answer

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(WORKERS):
                workers.create_task(self._work())

    async def _work(self) -> None:
        while True:
            waiting = await self._queue.get()
            with _tracer.start_as_current_span("process_message"):
                try:
                    completion = await self._answer(waiting.message)
                except PartError as problem:
                    self._fail(waiting, problem)
                else:
                    self._finish(waiting, completion)

    async def _answer(self, message: Message) -> Completion:
        with _tracer.start_as_current_span("validate_input"):
            self._validate(message.text)
        completion = await self._complete(message.text)
        if completion.is_qualified:
            with _tracer.start_as_current_span("create_lead"):
                await self._crm.create_lead(message.session_id)
            self._metrics.leads_created.inc()
        with _tracer.start_as_current_span("save_to_db"):
            self._store.save((message.session_id, message.text, completion.text))
        return completion

    def _validate(self, text: str) -> None:
        if self._switches.failing == "validation" or not text.strip() or len(text) > _LONGEST:
            raise PartError("validation", f"a message has 1 to {_LONGEST} characters")

    async def _complete(self, text: str) -> Completion:
        if known := self._known.get(text):
            self._metrics.cache_hits.inc()
            return known
        self._metrics.cache_misses.inc()
        with _tracer.start_as_current_span("call_llm") as span:
            completion = await self._model.complete(text)
            span.set_attribute("llm.tokens", completion.tokens)
        self._metrics.llm_tokens_used.inc(completion.tokens)
        self._metrics.llm_cost.inc(completion.dollars)
        self._known[text] = completion
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        return completion

    def _finish(self, waiting: _Waiting, completion: Completion) -> None:
        seconds = time.monotonic() - waiting.since
        was_patient = seconds <= _PATIENCE_SECONDS
        outcome = ("qualified" if completion.is_qualified else "unqualified") if was_patient else "abandoned"
        self._count(seconds, outcome)
        session, tokens = waiting.message.session_id, completion.tokens
        _log.info("message processed", session_id=session, latency=round(seconds, 3), tokens_used=tokens, outcome=outcome)
        if not waiting.answer.done():
            waiting.answer.set_result(completion.text)

    def _fail(self, waiting: _Waiting, problem: PartError) -> None:
        self._count(time.monotonic() - waiting.since, "abandoned")
        self._metrics.errors.labels(problem.error_type).inc()
        _log.error("message failed", session_id=waiting.message.session_id, error_type=problem.error_type, why=str(problem))
        if not waiting.answer.done():
            waiting.answer.set_exception(problem)

    def _count(self, seconds: float, outcome: str) -> None:
        self._metrics.response_latency.observe(seconds)
        self._metrics.conversations.labels(outcome).inc()
        self._last.append(outcome == "qualified")
        self._metrics.conversion_rate.set(sum(self._last) / len(self._last))
