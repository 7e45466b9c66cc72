"""Looking at the pages as a browser gets them, and the incidents and runbooks to look at."""

import math
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from alertrouter.alertmanager import fingerprint_of
from serving import Running

SECTIONS = """---
title: O serviço
---
# Serviço

> ## HighErrorRate

## HighErrorRate {error_type="llm"}
Fale com o provedor: `curl -m 5 <llm_url>`, veja [o resto](#higherrorrate-1) e [deploy](deploy.md#voltar).

## HighErrorRate
1. `kubectl logs -n {{ labels.namespace }} deploy/<pod>`

**Escalação**: Se ninguém confirmar em 15min, escalar para engenharia

## DatabaseDown
**Escalação**: Imediata para DBA

## SemRegra
Sem escalação aqui: só a instalação elétrica.

## Persistente
**Escalação**: Se não resolver em 15min, escalar para engenharia
"""


class Seen(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._data: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep some text."""
        self._data.append(data)

    @property
    def text(self) -> str:
        """All text, its words with one space between them."""
        return " ".join("".join(self._data).split())

    def all(self, tag: str, attribute: str) -> list[str]:
        """The values of an attribute."""
        return [attrs[attribute] or "" for name, attrs in self.tags if name == tag and attribute in attrs]


def body(name: str | None, severity: str = "critical", *, firing: bool = True, group: str = "", **given: Any) -> dict[str, Any]:
    """A notification with one alert."""
    labels = {"alertname": name, "severity": severity, "namespace": "prod", **given.get("labels", {})}
    labels = {label: value for label, value in labels.items() if value is not None}
    alert = {
        "status": "firing" if firing else "resolved",
        "labels": labels,
        "annotations": given.get("annotations", {"summary": "it burns"}),
        "startsAt": "2026-11-23T02:58:00Z",
        "endsAt": "0001-01-01T00:00:00Z" if firing else "2026-11-23T03:30:00Z",
        "generatorURL": given.get("generator", "http://127.0.0.1:9090/graph"),
        "fingerprint": fingerprint_of(labels),
    }
    return {
        "groupKey": group or str(name),
        "externalURL": given.get("external", "http://127.0.0.1:9093"),
        "truncatedAlerts": given.get("truncated", 0),
        "alerts": [alert],
    }


async def open_one(router: Running, *args: Any, **given: Any) -> str:
    """The id of the incident that a body opens or adds to."""
    [incident] = (await router.post(body(*args, **given))).json()["incidents"]
    return str(incident)


async def see(router: Running, path: str, status: int = 200) -> Seen:
    """The page at a path."""
    answer = await router.http.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return Seen(answer.text)


def write_runbooks(router: Running, folder: Path, files: Mapping[str, str]) -> None:
    """Replace the sample runbooks, as a restart with other files would."""
    (folder / "runbooks" / "servico.md").unlink()
    for name, text in files.items():
        (folder / "runbooks" / name).write_text(text)
    library = router.service.library
    library.load()
    library._clock = lambda: math.inf  # what is not there now is gone for good
    library.load()
    router.service.files.playbook = replace(router.service.playbook, index=library.shelf.index)
