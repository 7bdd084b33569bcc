#!/usr/bin/env bash
# Make this host measure checkpoints for runs with DVDGAN_EVALUATION_WORKER=1: the deployment
# measure/checkpoint, the pool `evaluation`, and its worker, one evaluation at a time, in the
# foreground. Ctrl-C ends it; then, or where there is none, a run measures its checkpoints itself.
#   PREFECT_API_URL=http://SERVER:4200/api infra/prefect/add_evaluator.sh
# Needs the project's environment on PATH (source .venv/bin/activate) and this folder at the same path
# as on the host that trains: one file system for both.
set -euo pipefail
cd "$(dirname "$0")/../.."

: "${PREFECT_API_URL:?set it to the address of the Prefect server, http://SERVER:4200/api}"
export DVDGAN_FOLDER="$PWD"
export PREFECT_WORKER_QUERY_SECONDS="${PREFECT_WORKER_QUERY_SECONDS:-2}"

prefect work-pool inspect evaluation >/dev/null 2>&1 \
    || prefect work-pool create --type process evaluation \
    || prefect work-pool inspect evaluation >/dev/null  # another host made it just now
deploy=(prefect --no-prompt deploy flows/measure.py:measure --name checkpoint --pool evaluation)
output="$("${deploy[@]}" 2>&1)" || { echo "$output" >&2; exit 1; }  # else it advises to start a worker
exec python -m dvdgan.guard.parent_death_signal prefect worker start --pool evaluation --limit 1 --name "$(hostname)"
