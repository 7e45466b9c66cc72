"""deploy/compose.yaml: it has the shape that Compose wants, and its ports, commands, settings and files are those of the code."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from agent_service.__main__ import arguments
from alertrouter.cli import app
from alertrouter.routing_file import read_routing
from alertrouter.settings import Settings, load_settings
from processes import debian

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
DECLARED: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
KNOWN_PORTS = {
    "prometheus": {9090},
    "alertmanager-0": {9093, 9094},
    "alertmanager-1": {9093, 9094},
    "alertrouter": {80},
    "postgres": {5432},
    "grafana": {3000},
    "loki": {3100},
    "alloy": {12345},
    "jaeger": {4318, 16686},
}
"""Where the parts that are not ours listen, unless told otherwise."""
ADDRESS = re.compile(r"\b([a-z][a-z0-9-]*):(\d{2,5})\b(?!\.)")
OURS = ["alertrouter-0", "alertrouter-1", "agent-service", "sandbox"]
BUILT = [service["image"] for service in SERVICES.values() if "build" in service]
each = pytest.mark.parametrize("name", SERVICES)


def option(name: str, option: str) -> str:
    """What a service's command gives to an option."""
    command: list[str] = SERVICES[name]["command"]
    return command[command.index(option) + 1]


def ports() -> dict[str, set[int]]:
    """Where each service listens."""
    router = {Settings.model_fields["port"].default}
    ours = {"alertrouter-0": router, "alertrouter-1": router}
    given = {name: {int(option(name, "--port"))} for name in ("agent-service", "sandbox")}
    return KNOWN_PORTS | ours | given


def mounts(name: str) -> Iterator[tuple[str, str]]:
    """Source and place of each volume of a service."""
    for volume in SERVICES[name].get("volumes", []):
        source, place, *_ = volume.split(":")
        yield source, place


@pytest.mark.parametrize("file", ["compose.yaml", "cloudwatch/compose.awslogs.yaml"])
def test_it_has_the_shape_that_compose_wants(file: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(DEPLOY / file)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stdout


@each
def test_images_are_pinned_or_built_here(name: str) -> None:
    service = SERVICES[name]
    if "build" in service:
        folder = COMPOSE.parent / service["build"]["context"]
        assert (folder / service["build"].get("dockerfile", "Dockerfile")).is_file()
    elif service["image"] not in BUILT:
        assert re.search(r":v?\d+\.\d+(\.\d+)?(-[a-z0-9]+)?$", service["image"]), service["image"]


def test_an_image_is_built_once_and_before_whoever_runs_it() -> None:
    """Two builds of one name at once fail in the engine."""
    assert len(BUILT) == len(set(BUILT))
    for name in ("alertrouter-0", "alertrouter-1"):
        assert SERVICES[name]["image"] in BUILT
        assert SERVICES[name]["pull_policy"] == "never"


@each
def test_every_service_is_checked_and_started_again(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@each
def test_it_is_reached_from_this_machine_only(name: str) -> None:
    for published in SERVICES[name].get("ports", []):
        address, _, inside = published.split(":")
        assert (address, int(inside) in ports()[name]) == ("127.0.0.1", True), published


@each
def test_what_is_mounted_exists(name: str) -> None:
    for source, _ in mounts(name):
        if source.startswith("."):
            assert (COMPOSE.parent / source).exists(), source
        else:
            assert source in DECLARED["volumes"] or source == "/var/run/docker.sock", source
    assert set(SERVICES[name].get("secrets", [])) <= DECLARED["secrets"].keys()
    assert set(SERVICES[name].get("depends_on", [])) <= SERVICES.keys()


def test_no_volume_and_no_secret_is_declared_in_vain() -> None:
    assert set(DECLARED["volumes"]) == {source for name in SERVICES for source, _ in mounts(name) if source[0] not in "./"}
    assert set(DECLARED["secrets"]) == {secret for service in SERVICES.values() for secret in service.get("secrets", [])}


def test_addresses_lead_to_services_that_listen_there() -> None:
    read = [
        COMPOSE,
        *(DEPLOY / "compose").glob("[!s]*"),
        DEPLOY / "prometheus/prometheus.yml",
        DEPLOY / "alloy/config.alloy",
        *(DEPLOY / "grafana/provisioning").rglob("*.yaml"),
    ]
    found = {(host, int(port)) for path in read if path.is_file() for host, port in ADDRESS.findall(path.read_text())}
    found = {(host, port) for host, port in found if host in SERVICES or "http" in host}
    assert {host for host, _ in found} >= {"alertrouter-0", "alertrouter-1", "alertmanager-0", "loki", "jaeger", "sandbox"}
    assert [one for one in found if one[1] not in ports()[one[0]]] == []


@each
def test_hosts_in_addresses_are_services(name: str) -> None:
    environment = SERVICES[name].get("environment", {})
    hosts = [host for value in environment.values() for host in re.findall(r"https?://([a-z0-9.-]+)", value)]
    assert set(hosts) <= SERVICES.keys() | {"localhost"}


def test_commands_are_understood() -> None:
    arguments().parse_args(SERVICES["agent-service"]["command"])
    for command in (SERVICES["sandbox"]["command"], image_command()):
        asked = CliRunner().invoke(app, [*command, "--help"])
        assert asked.exit_code == 0, asked.output


def image_command() -> list[str]:
    """What the image runs where nothing else is said."""
    [found] = re.findall(r"^CMD (\[.*\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    return list(yaml.safe_load(found))


def test_the_secrets_are_made_once(tmp_path: Path) -> None:
    script = [str(DEPLOY / "compose/make-secrets.sh"), str(tmp_path / "secrets")]
    subprocess.run(script, check=True, timeout=60)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert made.keys() == {Path(one["file"]).name for one in DECLARED["secrets"].values()}
    assert all(one["file"] == f"./compose/secrets/{name}" for name, one in DECLARED["secrets"].items())
    assert len(set(made.values())) == len(made)
    assert made["postgres_password"] in made["database_url"]
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    subprocess.run(script, check=True, timeout=60)
    assert made == {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}


def test_alertrouter_takes_its_settings_and_its_routing_file(tmp_path: Path) -> None:
    subprocess.run([str(DEPLOY / "compose/make-secrets.sh"), str(tmp_path)], check=True, timeout=60)
    service = SERVICES["alertrouter-0"]
    assert service == SERVICES["alertrouter-1"]
    env = {name: value.replace("/run/secrets", str(tmp_path)) for name, value in service["environment"].items()}
    places = {place: COMPOSE.parent / source for source, place in mounts("alertrouter-0")}
    settings = load_settings(env)
    database = SERVICES["postgres"]["environment"]
    assert re.fullmatch(
        rf"postgresql://{database['POSTGRES_USER']}:[0-9a-f]{{32}}@postgres/{database['POSTGRES_DB']}", settings.database_url
    )
    assert [str(folder) for folder in settings.runbooks_dir] == ["/runbooks"]
    assert places["/runbooks"].resolve() == ROOT / "runbooks"
    routing = tmp_path / "alertrouter.yml"
    routing.write_text(places[str(settings.config)].read_text().replace("/run/secrets", str(tmp_path)))
    assert set(read_routing(routing, settings).targets) == {"oncall", "engineering", "dba"}
    needed = set(re.findall(r"/run/secrets/(\w+)", places[str(settings.config)].read_text() + str(service["environment"])))
    assert needed == set(service["secrets"])


def test_prometheus_and_alertmanager_take_their_configuration() -> None:
    prometheus = [debian("promtool"), "check", "config", str(DEPLOY / "prometheus/prometheus.yml")]
    alertmanager = [debian("amtool"), "check-config", str(DEPLOY / "compose/alertmanager.yml")]
    for command in (prometheus, alertmanager):
        checked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_grafana_finds_its_dashboards() -> None:
    [provider] = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/dashboards.yaml").read_text())["providers"]
    assert (provider["options"]["path"], "./grafana/dashboards") in {(place, source) for source, place in mounts("grafana")}


@pytest.mark.parametrize("file", ["compose.yaml", "kubernetes/base/deployment.yaml"])
def test_nothing_is_set_twice_once_by_the_image_and_once_from_a_file(file: str) -> None:
    """Settings refuse that."""
    by_image = set(re.findall(r"\b(ALERTROUTER_\w+)=", (ROOT / "Dockerfile").read_text()))
    assert by_image
    assert not by_image & {
        name.removesuffix("_FILE") for name in re.findall(r"\b(ALERTROUTER_\w+_FILE)\b", (DEPLOY / file).read_text())
    }


def test_the_sample_service_needs_nothing_but_the_pinned_requirements() -> None:
    wanted = tomllib.loads((ROOT / "examples/agent-service/pyproject.toml").read_text())["project"]["dependencies"]
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert {re.split(r"[^\w.-]", one)[0] for one in wanted} <= set(pinned)
