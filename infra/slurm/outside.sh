#!/usr/bin/env bash
# The launcher in a container of infra/slurm/train.sbatch: have that script, which runs outside, start
# the trainers with srun. Prints their output and ends with their exit code. SIGTERM and SIGINT stop
# them, and so does the end of this process, even by SIGKILL.
#   outside.sh COMMAND ...
set -euo pipefail
call="$(mktemp -d "$DVDGAN_OUTSIDE/call.XXXXXX")"
mkfifo "$call/alive" "$call/output"
printf '%s\0' env --chdir "$PWD" "$@" >"$call/command"
env --null | grep --null-data -E '^(DVDGAN|TORCH)_' >"$call/variables"
echo "$call" >"$DVDGAN_OUTSIDE/calls"
# A signal to all processes of the container must not cut off what the trainers print as they save.
(trap '' TERM INT USR1 && exec cat "$call/output") &
output=$!
exec 9>"$call/alive"
trap 'exec 9>&-' TERM INT
while kill -0 "$output" 2>/dev/null; do wait "$output" || true; done
exit "$(cat "$call/code")"
