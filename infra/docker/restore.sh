#!/usr/bin/env bash
# Replace the Prefect server's database by one that infra/docker/backup.sh saved, all of it or nothing:
#   infra/docker/restore.sh FILE
set -euo pipefail
file="${1:?name a file that infra/docker/backup.sh wrote}"
[ -r "$file" ] || { echo "error: $file cannot be read" >&2; exit 2; }
compose() { docker compose -f "$(dirname "$0")/compose.yaml" "$@"; }
compose stop server services worker
compose exec -T database pg_restore --username prefect --dbname prefect --clean --if-exists \
    --no-owner --single-transaction --exit-on-error <"$file"
compose up --detach --wait server services worker
