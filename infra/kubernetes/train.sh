#!/usr/bin/env bash
# A pod of the Job `train`. The first one runs the stage `train`, whose supervisor starts this node's
# trainers with DVDGAN_LAUNCHER. The others start theirs whenever the first one has a launch for them, and
# go on until the Job ends with the first pod.
set -euo pipefail

: "${DVDGAN_LAUNCHER:?set it to the torchrun command that all nodes run}"
if [ "${JOB_COMPLETION_INDEX:?the pod is not one of an Indexed Job}" = 0 ]; then
    exec python infra/kubernetes/stages.py train
fi

child=
trap 'trap "" TERM INT; [ -z "$child" ] || { kill -TERM "$child"; wait "$child"; } 2>/dev/null; exit 75' TERM INT
: "${ENDPOINT:?set it to HOST:PORT of the first pod}"
while true; do
    # The port is open while the first pod has a launch.
    until (exec 3<>"/dev/tcp/${ENDPOINT%:*}/${ENDPOINT##*:}") 2>/dev/null; do
        sleep 2 & wait $!
    done
    # Only the first node has a run folder: the others read nothing of it.
    $DVDGAN_LAUNCHER dvdgan.training .runs/train/elsewhere & child=$!
    wait "$child" && code=0 || code=$?
    child=
    echo "train: the trainers of this node ended with exit code $code; waiting for the next launch" >&2
    sleep 2 & wait $!
done
