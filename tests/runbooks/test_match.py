import time

import pytest

from alertrouter.runbooks.match import Index
from alertrouter.runbooks.parse import parse

AGENTS = """# Agentes

## Alertas

### HighErrorRate
any

### HighErrorRate {error_type="llm"}
llm

### HighErrorRate {error_type="llm", zone="eu"}
llm in eu

### DatabaseDown
first

### DatabaseDown
second
"""
FILES = {
    "agentes.md": AGENTS,
    "b/other.md": "# Other\n\n## DatabaseDown\nelsewhere\n\n## Only Here\nx",
    "alerts/etcd/etcdNoLeader.md": "---\ntitle: x\n---\n# etcdNoLeader\n\n## Meaning\n\ntext",
    "alerts/kube/KubePodCrashLooping.md": "## Meaning\n\ntext",
}
INDEX = Index(parse(path, text) for path, text in FILES.items())
URL = "https://router.example/x"


@pytest.mark.parametrize(
    ("labels", "place"),
    [
        ({"alertname": "HighErrorRate"}, ("agentes.md", 5)),
        ({"alertname": "higherrorrate", "error_type": "api"}, ("agentes.md", 5)),  # any case; labels do not fit
        ({"alertname": "HighErrorRate", "error_type": "llm"}, ("agentes.md", 8)),
        ({"alertname": "HighErrorRate", "error_type": "llm", "zone": "eu"}, ("agentes.md", 11)),  # most labels
        ({"alertname": "HighErrorRate", "zone": "eu"}, ("agentes.md", 5)),  # all of a heading's labels or none
        ({"alertname": "DatabaseDown"}, ("agentes.md", 14)),  # a tie: path, then line
        ({"alertname": "only here"}, ("b/other.md", 6)),
        ({"alertname": "etcdNoLeader"}, ("alerts/etcd/etcdNoLeader.md", 4)),  # the heading in its file
        ({"alertname": "kubepodcrashlooping"}, ("alerts/kube/KubePodCrashLooping.md", 1)),  # the file itself
    ],
)
def test_the_section_of_an_alert(labels: dict[str, str], place: tuple[str, int]) -> None:
    match = INDEX.find(labels)
    assert match
    assert (match.section.path, match.section.line) == place


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (f"{URL}/runbooks/agentes.md#databasedown-1", ("agentes.md", 17)),  # wins over the heading
        (f"{URL}/runbooks/b/other.md#Only-Here", ("b/other.md", 6)),
        ("b/other.md#only-here", ("b/other.md", 6)),
        ("/deploy/runbooks/./b/other.md#only-here", ("b/other.md", 6)),  # a path that ends with a known file
        ("runbooks/agentes.md", ("agentes.md", 5)),  # the file only: the alert's own heading in it
        ("alerts/kube/KubePodCrashLooping.md", ("alerts/kube/KubePodCrashLooping.md", 1)),  # none in it: all of it
        # those that lead elsewhere do not count: the heading does
        ("https://elsewhere.example/runbooks/b/other.md#only-here", ("agentes.md", 5)),
        ("unknown.md", ("agentes.md", 5)),
        ("agentes.md#gone", ("agentes.md", 5)),
        ("http://[", ("agentes.md", 5)),
        ("", ("agentes.md", 5)),
        ("#only-here", ("agentes.md", 5)),
    ],
)
def test_a_runbook_url_into_this_service_or_folder_comes_first(url: str, place: tuple[str, int]) -> None:
    match = INDEX.find({"alertname": "HighErrorRate"}, {"runbook_url": url}, URL)
    assert match
    assert (match.section.path, match.section.line) == place


def test_an_alert_without_a_section_has_none() -> None:
    assert INDEX.find({"alertname": "Unheard"}) is None
    assert INDEX.find({}) is None
    assert Index().find({"alertname": "HighErrorRate"}, {"runbook_url": "agentes.md"}) is None


def test_a_match_says_why() -> None:
    labelled = INDEX.find({"alertname": "HighErrorRate", "error_type": "llm"})
    named = INDEX.find({"alertname": "KubePodCrashLooping"})
    assert labelled
    assert named
    assert labelled.why == 'The heading at agentes.md:8 names the alert and the alert has error_type="llm".'
    assert named.why == "The file alerts/kube/KubePodCrashLooping.md is named after the alert."


def test_four_hundred_files_are_indexed_and_looked_up_at_once() -> None:
    text = "---\ntitle: x\n---\n# {}\n\n## Meaning\na\n\n## Impact\nb\n\n## Diagnosis\n`c`\n\n## Mitigation\nd\n"
    started = time.process_time()
    index = Index(parse(f"content/x/Alert{n}.md", text.replace("{}", f"Title {n}")) for n in range(400))
    parsed = time.process_time()
    assert all(index.find({"alertname": f"alert{n}"}) for n in range(400))
    assert parsed - started < 5
    assert time.process_time() - parsed < 0.2


PUBLIC = "https://router.example"
POINTED = Index(
    [
        parse("a.md", '# A\n\n## DiskFull\nx\n\n## Labelled {team="db"}\ny\n'),
        parse("README.md", "# Read me\nx\n"),
        parse("kafka/Lag.md", "# Lag\nz\n"),
    ]
)


@pytest.mark.parametrize(
    ("url", "anchor", "path"),
    [
        (f"{PUBLIC}/runbooks/for/DiskFull", "diskfull", "a.md"),
        (f"{PUBLIC}/runbooks/for/Labelled?label=team%3Ddb", "labelled-teamdb", "a.md"),
        ("docs/kafka/README.md", "lag", "kafka/Lag.md"),  # every folder may have one: the alert's own file
        ("docs/kafka/Lag.md", "lag", "kafka/Lag.md"),
        ("README.md", "", "README.md"),
    ],
)
def test_a_runbook_url_leads_where_it_says(url: str, anchor: str, path: str) -> None:
    match = POINTED.find({"alertname": "Lag"}, {"runbook_url": url}, PUBLIC)
    assert match
    assert (match.section.path, match.section.anchor) == (path, anchor)


def test_a_runbook_url_for_an_alert_that_none_names_leads_nowhere() -> None:
    assert POINTED.leads_nowhere(f"{PUBLIC}/runbooks/for/Other", PUBLIC)
    assert not POINTED.leads_nowhere(f"{PUBLIC}/runbooks/for/Labelled?label=team%3Ddb", PUBLIC)
