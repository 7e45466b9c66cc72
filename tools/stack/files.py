"""The files of deploy/ as the stack runs them: other addresses, and shorter durations."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+)(ms|[smhd])")
_WINDOW = re.compile(r"\[(\d+(?:ms|[smhd]))\]")
_INCREASE = re.compile(r"\bincrease\([^()]*\)")
_ALERTMANAGER_WAITS = ("group_wait", "group_interval", "repeat_interval")


def shorter(duration: str, times: float) -> str:
    """A duration as Prometheus writes it; in milliseconds, where it is another."""
    if times == 1:
        return duration
    seconds = sum(int(count) * _SECONDS[unit] for count, unit in _DURATION.findall(duration))
    return f"{max(round(seconds / times * 1000), 1)}ms"


def rules(text: str, router: str, times: float) -> str:
    """A file of rules, its waits and windows that much shorter, its links to runbooks leading to `router`.

    What grew in a window is told as if it had been as long as before: ten dollars an hour stay ten dollars an hour.
    """
    document = yaml.safe_load(text.replace("https://ROUTER", router))
    for group in document["groups"]:
        _shorten(group, ("interval",), times)
        for rule in group["rules"]:
            _shorten(rule, ("for",), times)
            expr = _INCREASE.sub(lambda found: f"({found[0]} * {times:g})", rule["expr"])
            rule["expr"] = _WINDOW.sub(lambda found: f"[{shorter(found[1], times)}]", expr)
    return _dump(document)


def prometheus(text: str, targets: Mapping[str, str], times: float) -> str:
    """Prometheus's configuration; `targets` are host and port of each job."""
    document = yaml.safe_load(text)
    _shorten(document["global"], ("scrape_interval", "evaluation_interval"), times)
    document["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [targets["alertmanager"]]
    for job in document["scrape_configs"]:
        job["static_configs"][0]["targets"] = [targets[job["job_name"]]]
    return _dump(document)


def alertmanager(text: str, router: str, pagerduty: str, secrets: str, times: float) -> str:
    """Alertmanager's configuration: it posts to `router`, pages `pagerduty`, and asks for nothing outside."""
    document = yaml.safe_load(text.replace("http://alertrouter/", f"{router}/").replace("/run/secrets/", f"{secrets}/"))
    document["global"] = {"pagerduty_url": f"{pagerduty}/v2/enqueue"}
    for receiver in document["receivers"]:
        hooks = receiver.get("webhook_configs", [])
        receiver["webhook_configs"] = [one for one in hooks if one["url"].startswith(router)]
    for route in (document["route"], *document["route"]["routes"]):
        _shorten(route, _ALERTMANAGER_WAITS, times)
    return _dump(document)


def routing(text: str, alertmanager_url: str) -> str:
    """alertrouter's routing file, with the Alertmanager to ask what is still firing."""
    return _dump({**yaml.safe_load(text), "alertmanagers": {"default": alertmanager_url}})


def _shorten(part: dict[str, Any], names: tuple[str, ...], times: float) -> None:
    part.update({name: shorter(part[name], times) for name in names if name in part})


def _dump(document: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000)
    return text
