#!/usr/bin/env bash
# try-wheel.sh WHEEL VENV: installs a wheel with its pinned requirements into a new virtual environment, and starts it in an empty
# folder. PYTHON names the interpreter, TRY_PORT a free port.
set -euo pipefail
wheel=$(realpath "$1")
venv=$(realpath -m "$2")
pins=$(realpath "$(dirname "$0")/../requirements.txt")
folder=$(mktemp -d)
trap 'kill "${service:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"

"${PYTHON:-python3}" -m venv "$venv"
"$venv"/bin/pip install --quiet --require-hashes -r "$pins"
"$venv"/bin/pip install --quiet --no-deps "$wheel"
"$venv"/bin/pip check
"$venv"/bin/pip uninstall --quiet --yes pip setuptools
"$venv"/bin/alertrouter --version

export ALERTROUTER_PAGERDUTY_ROUTING_KEY=00000000000000000000000000000000
export ALERTROUTER_PAGERDUTY_EVENTS_URL=http://127.0.0.1:9
export ALERTROUTER_PORT="${TRY_PORT:-18080}"
"$venv"/bin/alertrouter serve >log 2>&1 &
service=$!
ready="import urllib.request as r; r.urlopen('http://127.0.0.1:$ALERTROUTER_PORT/readyz', timeout=2)"
for _ in $(seq 50); do
  "$venv"/bin/python -c "$ready" 2>/dev/null && { echo "serves from $(basename "$wheel")"; exit 0; }
  kill -0 "$service" 2>/dev/null || break
  sleep 0.2
done
cat log
exit 1
