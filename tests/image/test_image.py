"""The image: built from the Dockerfile without an engine, and run as nobody on a root that cannot be written.

`make image-test`. The base image stands in for the one that the Dockerfile names: Debian's own Python, from debootstrap, under
its name.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from processes import KEYS, debian, free_port

pytestmark = pytest.mark.image
ROOT = Path(__file__).parent.parent.parent
IMAGE = "localhost/alertrouter-test"
CERTIFICATES = Path("/etc/ssl/certs")
PACKAGES = "python3,python3-venv,ca-certificates"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of the built image; it and its base are removed at the end."""
    buildah, debootstrap = debian("buildah"), debian("debootstrap")
    named = re.search(r"^ARG PYTHON=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert named
    folder = tmp_path_factory.mktemp("base")
    _run(debootstrap, "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(folder / "root"))
    scratch = _run(buildah, "from", "scratch").strip()
    _run(buildah, "add", "-q", scratch, str(folder / "root"), "/")
    _run(buildah, "commit", "-q", "--rm", scratch, named[1])
    _run(
        *(
            buildah,
            "bud",
            "-q",
            "--isolation",
            "chroot",
            "--pull-never",
            "--format",
            "docker",
            "--build-arg",
            "VERSION=9.8.7",
            "-t",
            IMAGE,
        ),
        *(
            "--volume",
            f"{CERTIFICATES}:{CERTIFICATES}:ro",
            "--env",
            f"PIP_CERT={CERTIFICATES}/ca-certificates.crt",
            "--unsetenv",
            "PIP_CERT",
        ),
        str(ROOT),
    )
    yield IMAGE
    _run(buildah, "rmi", "--force", IMAGE, named[1])


@pytest.fixture
def container(image: str) -> Iterator[str]:
    """A container of the image, and where its files are."""
    buildah = debian("buildah")
    name = _run(buildah, "from", "--pull-never", image).strip()
    yield name
    _run(buildah, "rm", name)


def test_the_image_says_what_it_is_and_runs_as_nobody_with_a_health_check(image: str) -> None:
    inspected = _run(debian("buildah"), "inspect", "--type", "image", image)
    for wanted in ('"User": "65532:65532"', '"Healthcheck"', '"org.opencontainers.image.version": "9.8.7"', '"8080/tcp"'):
        assert wanted in inspected


def test_it_serves_as_nobody_with_nothing_to_write_to_but_data(container: str, tmp_path: Path) -> None:
    buildah, port = debian("buildah"), free_port()
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, 65532, 65532)
    env = {"PAGERDUTY_ROUTING_KEY": KEYS["oncall"], "ALERTROUTER_PORT": str(port), "ALERTROUTER_HOST": "127.0.0.1"}
    env["ALERTROUTER_DATABASE_URL"] = "sqlite:////state/alertrouter.db"
    options = [word for name, value in env.items() for word in ("--env", f"{name}={value}")]
    command = [
        buildah,
        "run",
        "--isolation",
        "chroot",
        "--volume",
        f"{data}:/state",
        *options,
        container,
        "--",
        "alertrouter",
        "serve",
    ]
    said = tmp_path / "said.log"
    with said.open("w") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as served:
        try:
            assert _ready(port), said.read_text()
            assert (data / "alertrouter.db").stat().st_uid == 65532
        finally:
            served.terminate()
            served.wait(10)


def test_nobody_can_write_anywhere_but_where_data_and_scratch_belong(container: str) -> None:
    find = ["find", "/", "-xdev", "-writable", "-not", "-type", "l", "-not", "-path", "/data*", "-not", "-path", "/tmp*"]
    found = _run(
        debian("buildah"),
        "run",
        "--isolation",
        "chroot",
        container,
        "--",
        "sh",
        "-c",
        " ".join([*find, "2>/dev/null", "||", "true"]),
    )
    assert {path for path in found.split() if not path.startswith(("/proc", "/dev", "/sys"))} <= {"/run/lock", "/var/tmp"}


def _ready(port: int) -> bool:
    """Whether it is ready within a minute; it answers 503 until its worker has gone round once."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{port}/readyz").is_success:
                return True
        time.sleep(0.2)
    return False


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        pytest.fail(f"{command[0]} failed: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout
