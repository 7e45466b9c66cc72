"""Keeping up with the files that the service goes by: runbooks, the routing file and the keys that it names."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import structlog

from alertrouter import telemetry
from alertrouter.ack_links import AckLinks
from alertrouter.escalation import Step
from alertrouter.planning import Playbook
from alertrouter.routing import Routing
from alertrouter.routing_file import RoutingFileError, read_routing
from alertrouter.runbooks.library import Library, Shelf
from alertrouter.settings import Settings
from alertrouter.watch import watch

_log = structlog.get_logger()


class Files:
    """What the files said when they were last good: `playbook`; and what is wrong with the routing file now: `problems`.

    `on_change` is called in the event loop when the playbook has changed.
    """

    def __init__(self, settings: Settings, routing: Routing) -> None:
        self._settings = settings
        self.library = Library(settings.runbooks_dir)
        self.playbook = Playbook(
            routing,
            self.library.shelf.index,
            (Step(settings.escalate_after, settings.escalate_to, "acknowledged"),),
            settings.resolve_hold,
            settings.base_url,
            AckLinks(settings.secret.get_secret_value(), settings.base_url) if settings.ack_links and settings.secret else None,
            settings.pagerduty_api_token is not None,
        )
        self.problems: tuple[str, ...] = ()
        self.on_change: Callable[[], None] = lambda: None
        self._stamps = _stamps(routing.files)
        self._asked = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()

    def load(self) -> None:
        """Read the runbooks for the first time."""
        self.library.load()
        self._take_runbooks(Shelf())

    def reload_soon(self) -> None:
        """Read everything again, whether it looks changed or not: SIGHUP."""
        self._asked.set()

    async def run(self) -> None:
        """Take in what changes, until cancelled."""
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._follow(self.library.folders, self._look_at_runbooks))
            loops.create_task(self._follow(_folders(self.playbook.routing.files), self._look_at_routing))
            loops.create_task(self._follow_signals())

    async def _follow(self, folders: Sequence[Path], look: Callable[[], bool]) -> None:
        if not folders:
            return
        async with aclosing(watch(folders)) as news:
            async for _ in news:
                await self._guarded(look)

    async def _follow_signals(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            self._stamps = {}
            await self._guarded(self._look_at_runbooks)
            await self._guarded(self._look_at_routing)
            _log.info("the files were read again")

    async def _guarded(self, look: Callable[[], bool]) -> None:
        try:
            async with self._one_at_a_time:
                changed = await asyncio.to_thread(look)
        except Exception as problem:  # noqa: BLE001 - the outermost loop: what was read before still serves
            _log.exception("the files cannot be read again", error=type(problem).__name__)
        else:
            if changed:
                self.on_change()

    def _look_at_runbooks(self) -> bool:
        before = self.library.shelf
        if not self.library.load():
            return False
        self._take_runbooks(before)
        _log.info("the runbooks have changed", files=len(self.library.shelf.documents))
        return True

    def _take_runbooks(self, before: Shelf) -> None:
        """Go on with what the library holds now, and say what is newly wrong with it."""
        shelf = self.library.shelf
        self.playbook = replace(self.playbook, index=shelf.index)
        telemetry.count_runbooks(len(shelf.documents), len(shelf.index.sections), len(shelf.troubles))
        for problem in shelf.troubles:
            if problem not in before.troubles:
                _log.warning("a runbook cannot be taken as it is", problem=str(problem))

    def _look_at_routing(self) -> bool:
        """Take in a routing file that has changed and is good; a bad one is told, and the last good one goes on."""
        config = self._settings.config
        stamps = _stamps(self.playbook.routing.files)
        if config is None or stamps == self._stamps:
            return False
        self._stamps = stamps
        try:
            routing = read_routing(config, self._settings)
        except RoutingFileError as error:
            for problem in error.problems:
                if problem not in self.problems:
                    _log.error("the routing file is wrong; the last good one goes on", problem=problem)
            self.problems = tuple(error.problems)
            self._stamps = {}  # a file that it names may come later: look again each time
        else:
            self.problems = ()
            routing.remember(self.playbook.routing)
            self.playbook = replace(self.playbook, routing=routing)
            self._stamps = _stamps(routing.files)
            _log.info("the routing file has changed", targets=len(routing.targets), routes=len(routing.routes))
        telemetry.ROUTING_PROBLEMS.set(len(self.problems))
        return not self.problems


def _stamps(files: Sequence[Path]) -> dict[Path, tuple[int, int, int]]:
    """What changes whenever one of the files does; one that cannot be looked at has none."""
    found = {}
    for file in files:
        try:
            stat = file.stat()
        except OSError:
            continue
        found[file] = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
    return found


def _folders(files: Sequence[Path]) -> list[Path]:
    return sorted({file.absolute().parent for file in files})
