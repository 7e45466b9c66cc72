"""Sending webhooks as PagerDuty does: signed, in the order of each incident, again until they are taken."""

import asyncio
import hmac
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import msgspec

ANSWER_SECONDS = 5.0
SUBSCRIPTION = "PSANDBOX"
_WAITS = (0.2, 0.5, 1.0, 2.0, 4.0)  # minutes to hours in life
_DROPS_TO_DISABLE = 3
FEED_FAULTS = ("", "lose", "hold")


@dataclass(slots=True)
class Webhook:
    """One webhook: its id, the incident it is about, its body, and what came of it (`pending`, `taken`, `dropped`, `lost`)."""

    id: str
    incident: str
    kind: str
    body: bytes
    state: str = "pending"
    attempts: int = 0
    status: int | None = None


class Feed:
    """One subscription; without an address webhooks are only recorded.

    A fault is ordered for all of them: `lose` never sends them, `hold` keeps them until the next order.
    """

    def __init__(self) -> None:
        self.url = ""
        self.secrets: Sequence[str] = ()
        self._last: dict[str, asyncio.Task[None]] = {}
        self.reset()

    def reset(self) -> None:
        """Forget what was sent and what is ordered, and send again if sending had been given up."""
        self.sent: deque[Webhook] = deque(maxlen=10_000)
        self._held: list[Webhook] = []
        self._fault = ""
        self.is_enabled = True
        self._drops = 0

    def order(self, fault: str, newest_first: bool = False) -> None:
        """Lose or hold webhooks from now on, or neither; those that are held are sent, unless they go on being held."""
        self._fault = fault
        if fault != "hold":
            held, self._held = self._held[:: -1 if newest_first else 1], []
            for webhook in held:
                self._start(webhook)

    def subscribe(self, url: str, secrets: Sequence[str]) -> None:
        """Send to this address from now on, signed with each of the secrets."""
        self.url, self.secrets, self.is_enabled, self._drops = url, secrets, True, 0

    def push(self, kind: str, incident: str, event: dict[str, Any]) -> None:
        """Send an event, after those of the same incident that are on their way."""
        self.send(Webhook(uuid4().hex, incident, kind, msgspec.json.encode({"event": event})))

    def send(self, webhook: Webhook) -> None:
        """Send a webhook, new or again."""
        self.sent.append(webhook)
        if self._fault == "hold":
            self._held.append(webhook)
        elif self._fault == "lose":
            webhook.state = "lost"
        else:
            self._start(webhook)

    def _start(self, webhook: Webhook) -> None:
        if self.url and self.is_enabled:
            before = self._last.get(webhook.incident)
            self._last[webhook.incident] = asyncio.get_running_loop().create_task(self._deliver(webhook, before))

    async def _deliver(self, webhook: Webhook, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        if not self.is_enabled:
            webhook.state = "dropped"
            return
        async with httpx.AsyncClient(timeout=ANSWER_SECONDS) as http:
            for wait in (*_WAITS, 0.0):
                webhook.attempts += 1
                webhook.status = await self._post(http, webhook)
                if webhook.status is not None and webhook.status < 500 and webhook.status != 429:
                    break
                await asyncio.sleep(wait)
        webhook.state = "taken" if webhook.status is not None and webhook.status < 300 else "dropped"
        is_refused = webhook.status is not None and 400 <= webhook.status < 500 and webhook.status != 429
        self._drops = self._drops + 1 if is_refused else 0
        self.is_enabled = self._drops < _DROPS_TO_DISABLE

    async def _post(self, http: httpx.AsyncClient, webhook: Webhook) -> int | None:
        signatures = (hmac.new(secret.encode(), webhook.body, "sha256").hexdigest() for secret in self.secrets)
        headers = {
            "Content-Type": "application/json",
            "X-PagerDuty-Signature": ",".join(f"v1={signature}" for signature in signatures),
            "X-Webhook-Id": webhook.id,
            "X-Webhook-Subscription": SUBSCRIPTION,
        }
        try:
            return (await http.post(self.url, content=webhook.body, headers=headers)).status_code
        except httpx.HTTPError:
            return None
