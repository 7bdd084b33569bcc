#!/usr/bin/env bash
# A Prefect server, the work pool, the deployments of prefect.yaml and a process worker, all on this
# machine, in the foreground: Ctrl-C ends them together. PORT chooses the server's port (4200). The reports
# and ledgers that its pages link to are served on FILES_PORT (PORT + 1): infra/local/file_server.py.
# The database is SQLite in .prefect, unless PREFECT_SERVER_DATABASE_CONNECTION_URL names another:
# postgresql+asyncpg://USER:PASSWORD@HOST/DATABASE. Needs the project's environment on PATH (source .venv/bin/activate).
set -euo pipefail
cd "$(dirname "$0")/../.."

port="${PORT:-4200}"
files_port="${FILES_PORT:-$((port + 1))}"
export DVDGAN_FOLDER="$PWD"
export PREFECT_HOME="$PWD/.prefect"
export PREFECT_API_URL="http://127.0.0.1:$port/api"
export PREFECT_SERVER_ANALYTICS_ENABLED=false
export PREFECT_WORKER_QUERY_SECONDS=2
export DVDGAN_URL="${DVDGAN_URL:-http://127.0.0.1:$files_port}"

for each in "$port" "$files_port"; do
    if (exec 3<>"/dev/tcp/127.0.0.1/$each") 2>/dev/null; then
        echo "port $each is in use: stop what listens there, or choose others: PORT=4300 make prefect" >&2
        exit 1
    fi
done

children=()
# The last started first: a worker whose server is gone tries to reach it for minutes.
stop() {
    trap - EXIT
    trap '' INT TERM
    for ((last = ${#children[@]} - 1; last >= 0; last--)); do
        child="${children[last]}"
        kill -TERM "$child" 2>/dev/null || continue
        for _ in $(seq 100); do kill -0 "$child" 2>/dev/null || break; sleep 0.2; done
        kill -KILL "$child" 2>/dev/null || true
    done
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

mkdir -p "$PREFECT_HOME"
echo "Starting a Prefect server (its log: .prefect/server.log), the deployments and a worker"
python -m dvdgan.guard.parent_death_signal prefect server start --host 127.0.0.1 --port "$port" >"$PREFECT_HOME/server.log" 2>&1 &
children+=($!)
until python -c "import urllib.request as u; u.urlopen('$PREFECT_API_URL/health')" 2>/dev/null; do
    kill -0 "${children[0]}" 2>/dev/null || { cat "$PREFECT_HOME/server.log" >&2; exit 1; }
    sleep 1
done
python -m dvdgan.guard.parent_death_signal python infra/local/file_server.py "$PWD" "$files_port" &
children+=($!)
# Their advice to start a worker is not for here.
quietly() { "$@" >"$PREFECT_HOME/set-up.log" 2>&1 || { cat "$PREFECT_HOME/set-up.log" >&2; exit 1; }; }
quietly prefect work-pool create --type process dvdgan --overwrite
# parent_death_signal restores SIGINT, which stops a worker and which bash ignores in background jobs.
python -m dvdgan.guard.parent_death_signal prefect worker start --pool dvdgan --name "$(hostname)" &
children+=($!)
quietly prefect --no-prompt deploy --all
quietly prefect work-queue set-concurrency-limit trainer 1 --pool dvdgan  # one trainer at a time
echo "Prefect: http://127.0.0.1:$port"
echo "Start the pipeline there (Deployments), or: PREFECT_API_URL=$PREFECT_API_URL prefect deployment run pipeline/pipeline --watch"
wait -n "${children[@]}"
