#!/usr/bin/env bash
# Make this host run the deployments of prefect.yaml: the pool `dvdgan`, the deployments, the limit of one
# trainer at a time, and a worker, in the foreground. Ctrl-C ends the worker.
#   PREFECT_API_URL=http://SERVER:4200/api infra/prefect/add_worker.sh [TYPE [BASE_JOB_TEMPLATE]]
# TYPE is that of the pool, process if it is not given; BASE_JOB_TEMPLATE is a JSON file with its settings.
# Needs the project's environment on PATH (source .venv/bin/activate).
set -euo pipefail
cd "$(dirname "$0")/../.."

: "${PREFECT_API_URL:?set it to the address of the Prefect server, http://SERVER:4200/api}"
type="${1:-process}"
export DVDGAN_FOLDER="${DVDGAN_FOLDER:-$PWD}"
export PREFECT_WORKER_QUERY_SECONDS="${PREFECT_WORKER_QUERY_SECONDS:-2}"

prefect work-pool create dvdgan --type "$type" --overwrite ${2:+--base-job-template "$2"} >/dev/null
output="$(prefect --no-prompt deploy --all 2>&1)" || { echo "$output" >&2; exit 1; }  # else it advises to start a worker
prefect work-queue set-concurrency-limit trainer 1 --pool dvdgan
exec python -m dvdgan.guard.parent_death_signal \
    prefect worker start --pool dvdgan --type "$type" --name "$(hostname)" --with-healthcheck
