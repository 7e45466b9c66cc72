"""What is in deploy/ fits together and fits the code."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from alertrouter.routing_file import read_routing
from alertrouter.settings import PREFIX, Settings, load_settings
from processes import debian

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
UNIT = DEPLOY / "systemd/alertrouter.service"
VARIABLE = re.compile(rf"\b{PREFIX}([A-Z_]+)")
MANIFESTS = [path for path in KUBERNETES.rglob("*.yaml") if path.name != "kustomization.yaml"]
CUSTOM = {"ServiceMonitor", "PrometheusRule"}


def names(paths: list[Path]) -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in paths]


def load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def patched(whole: Any, patch: Any) -> Any:
    """What kustomize makes of a patch: mappings are merged, and so are lists, by name; null takes away."""
    if isinstance(whole, dict) and isinstance(patch, dict):
        merged = whole | {key: patched(whole.get(key), value) for key, value in patch.items()}
        return {key: value for key, value in merged.items() if value is not None}
    if isinstance(whole, list) and isinstance(patch, list):
        return list(patched({one["name"]: one for one in whole}, {one["name"]: one for one in patch}).values())
    return patch


@pytest.mark.parametrize("path", names([path for path in DEPLOY.rglob("*") if path.is_file()]))
def test_every_setting_that_is_named_exists(path: str) -> None:
    known = {name.upper() + end for name in Settings.model_fields for end in ("", "_FILE")}
    assert set(VARIABLE.findall((ROOT / path).read_text(errors="ignore"))) <= known


@pytest.mark.parametrize("path", names(MANIFESTS))
def test_manifests_have_the_shape_that_kubernetes_wants(path: str) -> None:
    manifest = load(ROOT / path)
    if "components/git-sync" in path:
        manifest = patched(load(KUBERNETES / "base/deployment.yaml"), manifest)
    if manifest["kind"] in CUSTOM:  # not Kubernetes's own kind
        assert {"apiVersion", "kind", "metadata", "spec"} <= manifest.keys()
        return
    kubernetes_validate.validate(manifest, "1.34", strict=True)


def test_a_wrong_manifest_is_noticed() -> None:
    manifest = load(KUBERNETES / "base/deployment.yaml")
    manifest["spec"]["replica"] = manifest["spec"].pop("replicas")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, "1.34", strict=True)


@pytest.mark.parametrize("path", names(list(KUBERNETES.rglob("kustomization.yaml"))))
def test_kustomizations_name_files_that_exist(path: str) -> None:
    folder = (ROOT / path).parent
    kustomization = load(ROOT / path)
    named = [*kustomization.get("resources", []), *kustomization.get("components", [])]
    named += [patch["path"] for patch in kustomization.get("patches", [])]
    named += [file for one in kustomization.get("configMapGenerator", []) for file in one.get("files", [])]
    assert [one for one in named if not (folder / one).exists()] == []


def test_the_pods_find_their_configuration_and_keep_to_what_the_image_allows() -> None:
    pod = load(KUBERNETES / "base/deployment.yaml")["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    generated = {one["name"] for one in load(KUBERNETES / "example/kustomization.yaml")["configMapGenerator"]}
    wanted = {volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume}
    assert wanted | {one["configMapRef"]["name"] for one in container["envFrom"]} == generated
    assert str(pod["securityContext"]["runAsUser"]) in (ROOT / "Dockerfile").read_text()
    assert container["ports"][0]["containerPort"] == Settings.model_fields["port"].default


def test_the_routing_file_of_the_example_is_right() -> None:
    assert read_routing(KUBERNETES / "example/alertrouter.yml", load_settings({}), with_keys=False).default_target == "oncall"


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/alertrouter/bin/alertrouter", "/bin/true"))
    (tmp_path / "true").touch()
    checked = subprocess.run(
        [debian("systemd-analyze"), "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (checked.returncode, [line for line in checked.stderr.splitlines() if UNIT.name in line]) == (0, [])


def test_the_unit_starts_with_a_flawed_runbook_and_with_a_database_whose_address_is_a_secret() -> None:
    """`check` fails for a dead link in a runbook, for which no page may wait; what is set twice is refused."""
    assert "ExecStartPre" not in UNIT.read_text()
    assert f"{PREFIX}DATABASE_URL" not in UNIT.read_text()


def test_the_forge_s_workflows_have_the_right_shape() -> None:
    workflows = [str(path) for path in (ROOT / ".github/workflows").glob("*.yml")]
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stdout


def test_the_forge_runs_the_actions_that_were_looked_at() -> None:
    """A tag can be moved to another commit."""
    workflows = "\n".join(path.read_text() for path in (ROOT / ".github/workflows").glob("*.yml"))
    used = re.findall(r"uses: ([^.].*)", workflows)
    assert used
    assert [line for line in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}  # v[\d.]+", line)] == []
