"""A sender like Alertmanager: each notification goes to any replica, again and again until one says 2xx."""

import asyncio
import json
import random
import time
from collections.abc import Sequence
from typing import Any

from chaos.checker import Told
from chaos.plan import Act, Story
from processes import notification

TIMEOUT_SECONDS = 10.0
"""Alertmanager gives an attempt no less."""


PAUSE_SECONDS = (0.5, 4.0)
"""Between attempts: at first, and at most."""


class NotAcceptedError(Exception):
    """A replica said neither 2xx nor 5xx."""


class Sender:
    """Plays stories against the replicas at these ports of 127.0.0.1, and keeps a record of what was accepted."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports
        self.told: list[Told] = []
        self.refusals: list[float] = []

    async def play(self, stories: Sequence[Story]) -> None:
        """All stories to their ends."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for story in stories:
                await asyncio.sleep(max(began + story.starts - time.monotonic(), 0))
                group.create_task(self._tell(story))

    async def _tell(self, story: Story) -> None:
        ids: tuple[str, ...] = ()
        for act in story.acts:
            await asyncio.sleep(act.wait)
            ids = await self._do(story, act, ids)

    async def _do(self, story: Story, act: Act, ids: tuple[str, ...]) -> tuple[str, ...]:
        asked_at = time.time()
        if act.firing or act.resolved:
            body = _body(story, act)
            peers = [self._until_accepted("/webhooks/alertmanager", body) for _ in range(1 + act.twice)]
            answers = await asyncio.gather(*peers)
            ids = tuple(dict.fromkeys(name for answer, _ in answers for name in answer["incidents"]))
        else:
            answers = [await self._until_accepted(f"/api/v1/incidents/{ids[-1]}/acknowledge", {"by": "somebody"})]
        tries = sum(number for _, number in answers)
        self.told.append(Told(story.group, act.firing, act.resolved, asked_at, time.time(), ids, tries))
        return ids

    async def _until_accepted(self, path: str, body: Any) -> tuple[dict[str, Any], int]:
        content = json.dumps(body).encode()
        tries, pause = 0, PAUSE_SECONDS[0]
        while True:
            tries += 1
            asked_at = time.monotonic()
            try:
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    status, answer = await _post(random.choice(self._ports), path, content)
            except (OSError, TimeoutError, EOFError):
                status, answer = None, {}
            if status == 200:
                return answer, tries
            if status == 503:
                self.refusals.append(time.monotonic() - asked_at)
            elif status is not None:
                raise NotAcceptedError(f"{status} {answer}")
            await asyncio.sleep(pause * random.uniform(0.5, 1))
            pause = min(2 * pause, PAUSE_SECONDS[1])


async def _post(port: int, path: str, content: bytes) -> tuple[int, dict[str, Any]]:
    """Status and what was answered, by a connection of its own. Raises OSError or EOFError where it breaks."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {len(content)}\r\n\r\n"
        writer.write(head.encode() + content)
        start = await reader.readuntil(b"\r\n\r\n")
        try:
            return int(start.split()[1]), json.loads(await reader.read())
        except ValueError:
            raise EOFError("the answer was cut") from None
    finally:
        writer.transport.abort()


def _body(story: Story, act: Act) -> dict[str, Any]:
    parts = [
        notification(story.alert, firing=firing, group=story.group, instance=f"{story.group}{name}")
        for firing, names in ((True, act.firing), (False, act.resolved))
        for name in names
    ]
    return {**parts[0], "alerts": [part["alerts"][0] for part in parts], "status": "firing" if act.firing else "resolved"}
