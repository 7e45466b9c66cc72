#!/bin/sh
# Writes the secrets that compose.yaml names into deploy/compose/secrets/, each that is not there yet. Containers of other users read
# them, so that the folder is what keeps people out.
set -eu
folder="${1:-$(dirname "$0")/secrets}"
mkdir -p "$folder"
chmod 700 "$folder"
random() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }
for name in postgres_password alertrouter_webhook_token grafana_password pd_oncall pd_engineering pd_dba pd_alertrouter; do
  [ -e "$folder/$name" ] || random > "$folder/$name"
done
[ -e "$folder/database_url" ] || printf 'postgresql://alertrouter:%s@postgres/alertrouter' "$(cat "$folder/postgres_password")" > "$folder/database_url"
chmod 444 "$folder"/*
