#!/usr/bin/env bash
# Train one variant of an ablation, as a task of a job array. Task I trains params file I / SEEDS with
# train.seed I % SEEDS (SEEDS: 3 by default), in a work tree of its own, .runs/ablation/NAME-seedN:
#   sbatch --array 0-5 --nodes 1 infra/slurm/train.sbatch infra/slurm/variant.sh fig7_k1.yaml fig7_k8.yaml
# Shards, features, reference and machine.yaml are those of the working folder.
set -euo pipefail
files=("$@")
seeds="${SEEDS:-3}"
task="${SLURM_ARRAY_TASK_ID:?is not set: submit with sbatch --array}"
if ((task >= $# * seeds)); then
    echo "error: task $task of the array has no variant: $# params files with $seeds seeds" >&2
    echo "  to do: submit with --array 0-$(($# * seeds - 1))" >&2
    exit 2
fi
same="$(basename --multiple "$@" | sort | uniq --repeated)"
if [ -n "$same" ]; then
    echo "error: several params files are named ${same//$'\n'/, } and would share a work tree" >&2
    echo "  to do: rename them" >&2
    exit 2
fi
file="${files[task / seeds]}"
seed=$((task % seeds))
tree=".runs/ablation/$(basename "$file" .yaml)-seed$seed"
mkdir -p "$tree/artifacts"
for name in shards features reference; do ln -sfn "$PWD/artifacts/$name" "$tree/artifacts/$name"; done
if [ -e machine.yaml ]; then ln -sfn "$PWD/machine.yaml" "$tree/machine.yaml"; else rm -f "$tree/machine.yaml"; fi
python -c '
import sys
from ruamel.yaml import YAML
yaml = YAML()
params = yaml.load(sys.stdin)
params["train"]["seed"] = int(sys.argv[1])
yaml.dump(params, sys.stdout)
' "$seed" <"$file" >"$tree/params.yaml"
cd "$tree"
exec dvdgan train
