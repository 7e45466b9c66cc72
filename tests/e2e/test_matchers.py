"""Matchers mean what they mean to a real Alertmanager."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from alertrouter.routing import parse_matcher
from processes import debian, free_port, wait_for

VALUES = [
    "the api x",
    "api",
    r"C:\temp",
    "C:\temp",
    "a.b",
    "axb",
    r"a\b",
    r"a\.b",
    "aa",
    "foo\n",
    "é5",
    "٣",
    "K",
    "a b",
    "",
    "a=b",
    'q"q',
]
MATCHERS = [
    r'v=~".*\bapi\b.*"',
    r'v="C:\temp"',
    r"v=~a\.b",
    r"v=~a\\.b",
    r"v=a\\b",
    r'v=~"foo$"',
    r'v=~"foo."',
    r'v=~"\\d+"',
    'v=~"(?i)k"',
    "v=a b",
    "v= api",
    'v=""',
    "v=",
    'v="a',
    'v=a"',
    'v=~"a++"',
    'v=~"(?:a|a.b)"',
    'v!~"a.*|"',
    "v=a=b",
    r"v=q\"q",
    'v="q"q"',
    r'v=~"é\\d"',
    'v=~"[[:alpha:]]+"',
    r'v=~"\pL+"',
    'v=~"(?=a).*"',
    r'v=~"(a)\1"',
]


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One that holds an alert for each value."""
    folder, url = tmp_path_factory.mktemp("am"), f"http://127.0.0.1:{free_port()}"
    (folder / "am.yml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    arguments = [f"--config.file={folder}/am.yml", f"--storage.path={folder}/data", "--cluster.listen-address="]
    program = [debian("prometheus-alertmanager"), *arguments, f"--web.listen-address={url.removeprefix('http://')}"]
    with Path(folder / "log").open("wb") as log:
        process = subprocess.Popen(program, stdout=log, stderr=log)
    try:
        wait_for("Alertmanager", lambda: httpx.get(f"{url}/-/ready").is_success)
        now = datetime.now(UTC).isoformat()
        alerts = [{"labels": {"alertname": f"n{n}", "v": value}, "startsAt": now} for n, value in enumerate(VALUES)]
        httpx.post(f"{url}/api/v2/alerts", json=alerts).raise_for_status()
        wait_for("the alerts", lambda: len(httpx.get(f"{url}/api/v2/alerts").json()) == len(VALUES))
        yield url
    finally:
        process.kill()
        process.wait(10)


@pytest.mark.parametrize("text", MATCHERS)
def test_a_matcher_matches_what_it_matches_there(alertmanager: str, text: str) -> None:
    answer = httpx.get(f"{alertmanager}/api/v2/alerts", params={"filter": text})
    if answer.is_error:
        with pytest.raises(ValueError, match=r"matcher|pattern"):
            parse_matcher(text)
        return
    theirs = {one["labels"].get("v", "") for one in answer.json()}
    matcher = parse_matcher(text)
    assert {value for value in VALUES if matcher.matches({"v": value})} == theirs
