#!/usr/bin/env bash
# Run a command once on every node of this Slurm job; SIGTERM or SIGINT stops it on all of them.
# srun ends its tasks at once on SIGTERM; it passes SIGUSR1 on, and torchrun stops in good order.
# The one task of a node starts all its ranks: it takes every core and all the memory of the job there,
# or SLURM_CPUS_PER_TASK cores, which srun does not take over from sbatch by itself.
set -uo pipefail
srun --nodes "$SLURM_JOB_NUM_NODES" --ntasks "$SLURM_JOB_NUM_NODES" --ntasks-per-node 1 \
    ${SLURM_CPUS_PER_TASK:+--cpus-per-task "$SLURM_CPUS_PER_TASK"} --cpu-bind none --mem 0 \
    --kill-on-bad-exit=1 --export ALL "$@" &
tasks=$!
stop() {
    # A job that Slurm itself ends has had SIGTERM on all nodes; a second signal would cut saving short.
    [ "$(squeue --noheader --job "$SLURM_JOB_ID" --format %T 2>/dev/null)" = RUNNING ] || return
    kill -USR1 "$tasks" 2>/dev/null
}
trap stop TERM INT
while kill -0 "$tasks" 2>/dev/null; do wait "$tasks"; done
wait "$tasks"
