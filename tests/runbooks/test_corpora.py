"""Corpora as teams keep them: 400 files, one to an alert, front matter and the same parts in each."""

from collections.abc import Callable
from pathlib import Path

import pytest

from alertrouter.runbooks.library import Library

COMPONENTS = ("kubernetes", "node", "etcd", "alertmanager", "prometheus", "general", "kube-state-metrics", "openshift-ingress")
PARTS = """

## Meaning

It means that {alert} is true for more than 15 minutes.

<details>
<summary>Full context</summary>

| Column | Value |
|--------|-------|
| `a`    | b     |

</details>

## Impact

Pods of the component are not scheduled.

## Diagnosis

- Look at the events:

  ```console
  $ kubectl -n $NAMESPACE get events
  # {alert} is not a heading here
  ```

- Then [read on](https://example.com/docs).

## Mitigation

Add capacity.
"""


def prometheus_operator(component: str, alert: str) -> tuple[str, str]:
    front = f"---\ntitle: {alert}\nweight: 20\n---\n\n"
    return f"content/runbooks/{component}/{alert}.md", f"{front}# {alert}{PARTS}".format(alert=alert)


def openshift(component: str, alert: str) -> tuple[str, str]:
    return f"alerts/{component}/{alert}.md", f"# {alert}{PARTS}".format(alert=alert)


@pytest.mark.parametrize("layout", [prometheus_operator, openshift])
def test_every_file_is_found_by_its_alerts_name(layout: Callable[[str, str], tuple[str, str]], tmp_path: Path) -> None:
    alerts = {f"KubeThing{number}Down": COMPONENTS[number % len(COMPONENTS)] for number in range(400)}
    for alert, component in alerts.items():
        path, text = layout(component, alert)
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    library = Library([tmp_path])
    library.load()
    assert library.shelf.troubles == ()
    for alert in alerts:
        match = library.shelf.index.find({"alertname": alert.upper()})
        assert match
        section = match.section
        assert section.title == alert
        assert "## Diagnosis" in section.text
        assert "title:" not in section.text


def test_an_index_file_beside_them_is_no_alerts(tmp_path: Path) -> None:
    (tmp_path / "_index.md").write_text("---\ntitle: etcd\n---\n")
    (tmp_path / "README.md").write_text("# Runbooks\n\nHow to write one.\n")
    library = Library([tmp_path])
    library.load()
    assert library.shelf.index.find({"alertname": "Meaning"}) is None
    assert len(library.shelf.documents) == 2
