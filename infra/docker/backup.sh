#!/usr/bin/env bash
# Save the Prefect server's database (runs, deployments, automations, blocks) while it works:
#   infra/docker/backup.sh FILE
# infra/docker/restore.sh brings it back. Runs, checkpoints and artefacts are not in it.
set -euo pipefail
file="${1:?name the file to write}"
compose() { docker compose -f "$(dirname "$0")/compose.yaml" "$@"; }
trap 'rm -f "$file.partial"' EXIT
compose exec -T database pg_dump --username prefect --format custom prefect >"$file.partial"
compose exec -T database pg_restore --list <"$file.partial" >/dev/null  # whole and readable
mv "$file.partial" "$file"
