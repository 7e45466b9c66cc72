"""Writes the reference pages from the code: `make reference`. tests/test_docs.py holds them in step."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import typer
from prometheus_client import REGISTRY
from pydantic import SecretStr
from typer.cli import get_docs_for_click
from typer.core import TyperGroup

import alertrouter.service  # noqa: F401 - its modules bring their metrics with them
from alertrouter import settings
from alertrouter.cli import app
from alertrouter.durations import format_duration
from alertrouter.routing_model import json_schema
from tools import api_reference, state_picture, state_table
from tools.dashboards.agent import AGENT
from tools.dashboards.oncall import ONCALL
from tools.stack.files import alertmanager

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
_MADE = "<!-- Made by `make reference`; edit the code that it names instead. -->\n\n"
_WIDE = "---\nhide: [toc]\n---\n\n"
"""A page whose one table wants the room of the contents, which would be empty."""


def settings_page() -> str:
    """Every variable, with its default and what its docstring says."""
    rows = [
        (f"`{settings.PREFIX}{name.upper()}`", _default(field.default), _sentences(settings.Settings)[name])
        for name, field in settings.Settings.model_fields.items()
    ]
    return f"""{_WIDE}# Settings

{_MADE}Environment variables. Each is also read from the file that the same name with `_FILE` at its end names; setting both is
an error. Durations are `90s`, `15m`, `1h30m`. A wrong value stops the start with one line that names the variable; `alertrouter
check` lists everything that is wrong. Traces follow the standard `OTEL_*` variables; `HTTPS_PROXY`, `NO_PROXY` and
`SSL_CERT_FILE` are honoured.

{_table(("Variable", "Default", "What it is"), rows)}"""


def _sentences(model: type) -> dict[str, str]:
    """The docstrings that stand below the fields of a class."""
    body = ast.parse(inspect.getsource(model).lstrip()).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            assert isinstance(below.value, ast.Constant)
            found[field.target.id] = str(below.value.value)
    return found


def _default(value: object) -> str:
    match value:
        case None | "" | () | SecretStr():
            return ""
        case bool():
            return f"`{str(value).lower()}`"
        case timedelta():
            return f"`{format_duration(value)}`"
        case tuple():
            return ", ".join(f"`{one}`" for one in value)
        case int() if value and value % 1024**2 == 0:
            return f"`{value // 1024**2}MiB`"
    return f"`{value}`"


def routing_page() -> str:
    """Every key of the routing file, from its JSON Schema."""
    schema = json_schema()
    parts = {
        "The file": schema,
        "targets: NAME": schema["$defs"]["TargetModel"],
        "routes: one": schema["$defs"]["RouteModel"],
        "escalation: one step": schema["$defs"]["_Step"],
        "lint": schema["$defs"]["_Lint"],
    }
    tables = "\n".join(f"## {title}\n\n{_keys(part)}" for title, part in parts.items())
    return f"""# The routing file, key by key

{_MADE}What the keys mean is in [The routing file](../routing.md); `alertrouter config schema` prints this as a JSON Schema, for
editors (`# yaml-language-server: $schema=alertrouter.schema.json`). An unknown key is an error.

{tables}"""


def _keys(part: dict[str, Any]) -> str:
    wanted = part.get("required", [])
    rows = [
        (f"`{name}`", _kind(one), "needed" if name in wanted else _json_default(one.get("default")))
        for name, one in part["properties"].items()
    ]
    return _table(("Key", "Value", "Default"), rows)


def _kind(one: dict[str, Any]) -> str:
    if "enum" in one:
        return ", ".join(f"`{value}`" for value in one["enum"])
    if "anyOf" in one:
        return " or ".join(dict.fromkeys(_kind(choice) for choice in one["anyOf"] if choice.get("type") != "null"))
    if one.get("type") == "array":
        return f"a list: {_kind(one['items'])}"
    if one.get("type") == "object" or "$ref" in one:
        return "see below" if "$ref" in str(one) else "a mapping"
    if "examples" in one:
        return "such as " + ", ".join(f"`{value}`".replace("|", "\\|") for value in one["examples"])
    return {"boolean": "`true`, `false`", "string": "text"}.get(one.get("type", ""), "text")


def _json_default(value: object) -> str:
    empty = value in (None, [], {}, "") or isinstance(value, dict)
    return "" if empty else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def commands_page() -> str:
    """Every command, as its `--help` says."""
    root = typer.main.get_command(app)
    context = typer.Context(root, info_name="alertrouter")
    _say_it_whole(root, context)
    said = get_docs_for_click(obj=root, ctx=context, name="alertrouter")
    said = said.partition("\n")[2].replace("alertrouter.cli", "alertrouter").rstrip()
    return f"""# Commands

{_MADE}A command that fails ends with 1, one that is called wrongly with 2; what is wrong is one line on standard error.
{said}
"""


def _say_it_whole(command: Any, context: typer.Context) -> None:
    """Give a command and those below it what lists say of them: without, they cut the sentence off."""
    command.short_help = " ".join((command.help or "").partition("\n\n")[0].split())
    for name in command.list_commands(context) if isinstance(command, TyperGroup) else ():
        _say_it_whole(command.get_command(context, name), context)


def metrics_page() -> str:
    """Every metric, from the registry that /metrics shows."""
    found = sorted(_families(), key=lambda one: one[0])
    rows = [(f"`{name}`", kind, ", ".join(f"`{label}`" for label in labels), text) for name, kind, labels, text in found]
    return f"""{_WIDE}# Metrics

{_MADE}At `/metrics`, for Prometheus; with several replicas, add counters up and take the maximum of gauges about the database.
Labels are bounded: no alert's text is in them.

{_table(("Name", "Kind", "Labels", "What it counts"), rows)}"""


def _families() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    for collector in list(REGISTRY._collector_to_names):  # noqa: SLF001 - the registry has no public list of what is in it
        labels = getattr(collector, "_labelnames", ())
        for family in getattr(collector, "describe", list)():
            if family.name.startswith("alertrouter"):
                yield (
                    family.name + ("_total" if family.type == "counter" else ""),
                    family.type,
                    tuple(labels),
                    family.documentation,
                )


def states_page() -> str:
    """What each event does in each state."""
    head, *rows = state_table.rows()
    return f"""{_WIDE}# What happens to an incident, and what PagerDuty is told

{_MADE}![The states, and what leads from one to another](../img/states.svg)

*Held back* remembers whether somebody has it. The picture and the table are made by asking the code; the picture leaves out what
changes no status.

Each cell is what the state machine (`alertrouter.incidents.decide`) answered: the status after the event, and the events
that PagerDuty is owed (`→`; `2` is a follow-up's key, `e1` that of step 1, the others are the incident's own). `·` is nothing at
all, `409` a refusal. *Held* is not a status: every alert is over, and the resolve waits for `RESOLVE_HOLD`. The policy of the
example has one step after 15 minutes, unless acknowledged. The rules behind it: [promises](../promises.md).

{_table(head, rows)}"""


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(' '.join(cell.split()) for cell in line)} |\n" for line in lines)


def index_page() -> str:
    """The README, with links as they are from here."""
    text = (ROOT / "README.md").read_text().replace("](docs/adr)", "](adr/index.md)").replace("](docs/", "](")
    title, _, rest = text.partition("\n\n")
    return f"{title}\n\n{_MADE}{rest.replace('](CONTRIBUTING.md)', '](contributing.md)')}"


def contributing_page() -> str:
    """CONTRIBUTING.md."""
    title, _, rest = (ROOT / "CONTRIBUTING.md").read_text().partition("\n\n")
    return f"{title}\n\n{_MADE}{rest}"


def decisions_page() -> str:
    """The list of decisions, from their titles."""
    found = sorted((DOCS / "adr").glob("0*.md"))
    lines = "".join(f"- [{path.read_text().partition(chr(10))[0].removeprefix('# ')}]({path.name})\n" for path in found)
    return f"# Why things are as they are\n\n{_MADE}{lines}"


def api_page() -> str:
    """Operations and shapes of /api/v1, as /openapi.json has them."""
    return f"""# The API, operation by operation

{_MADE}From `/openapi.json`, which is made from the shapes that the service reads and answers with. An overview with an example:
[The API](../api.md).

## Operations

{api_reference.operations()}
## Shapes

{api_reference.shapes()}"""


def prometheus_rule() -> str:
    """The rules about alertrouter itself as the Prometheus operator wants them."""
    rules = (ROOT / "deploy/prometheus/alertrouter.rules.yml").read_text().partition("\ngroups:\n")[2]
    return f"""# Made by `make reference` from deploy/prometheus/alertrouter.rules.yml; put your address in place of ROUTER.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {{name: alertrouter}}
spec:
  groups:
{textwrap.indent(rules, "  ")}"""


def composed_alertmanager() -> str:
    """Alertmanager's configuration with the sandbox in place of PagerDuty."""
    given = (ROOT / "deploy/alertmanager/alertmanager.yml").read_text()
    made = "# Made by `make reference` from ../alertmanager/alertmanager.yml: the sandbox in PagerDuty's place.\n"
    return made + alertmanager(given, "http://alertrouter", "http://sandbox:8099", "/run/secrets", 1)


PAGES: dict[str, Callable[[], str]] = {
    "index.md": index_page,
    "contributing.md": contributing_page,
    "adr/index.md": decisions_page,
    "reference/api.md": api_page,
    "reference/settings.md": settings_page,
    "reference/routing-file.md": routing_page,
    "reference/commands.md": commands_page,
    "reference/metrics.md": metrics_page,
    "reference/states.md": states_page,
    "img/states.svg": state_picture.picture,
    "../deploy/kubernetes/components/monitoring/prometheusrule.yaml": prometheus_rule,
    "../deploy/compose/alertmanager.yml": composed_alertmanager,
    "../deploy/grafana/dashboards/oncall.json": ONCALL.to_json,
    "../deploy/grafana/dashboards/agent.json": AGENT.to_json,
}

if __name__ == "__main__":
    for path, page in PAGES.items():
        (DOCS / path).write_text(page())
