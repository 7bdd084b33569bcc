#!/usr/bin/env bash
# Make this host a node: its deployment train-node/NAME, its work queue NAME in the pool `nodes`, and
# its worker, in the foreground. Ctrl-C ends the worker; the same command brings the node back.
#   PREFECT_API_URL=http://SERVER:4200/api infra/prefect/add_node.sh NAME
# Needs the project's environment on PATH (source .venv/bin/activate) and this folder at the same path
# on every node: one file system for all.
set -euo pipefail
cd "$(dirname "$0")/../.."

name="${1:?name the node, as in DVDGAN_NODES}"
: "${PREFECT_API_URL:?set it to the address of the Prefect server, http://SERVER:4200/api}"
export DVDGAN_FOLDER="$PWD"
export PREFECT_WORKER_QUERY_SECONDS="${PREFECT_WORKER_QUERY_SECONDS:-2}"

prefect work-pool inspect nodes >/dev/null 2>&1 || prefect work-pool create --type process nodes \
    || prefect work-pool inspect nodes >/dev/null  # another node made it just now
deploy=(prefect --no-prompt deploy flows/nodes.py:train_node --name "$name" --pool nodes --work-queue "$name")
output="$("${deploy[@]}" 2>&1)" || { echo "$output" >&2; exit 1; }  # else it advises to start a worker
# The next launch begins when the trainers of the one before have left the host.
prefect work-queue set-concurrency-limit "$name" 1 --pool nodes
exec python -m dvdgan.guard.parent_death_signal prefect worker start --pool nodes --work-queue "$name" --name "$name"
