#!/usr/bin/env bash
# Compile requirements.lock: every package the project needs, at one version, for Python 3.11 on.
# torch stays a plain release number without hashes, and its accelerator libraries are left out:
# whichever build of torch a machine takes pins and brings its own. What is pinned keeps its version;
# `infra/lock.sh --upgrade` takes the newest of everything.
set -euo pipefail
cd "$(dirname "$0")/.."
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
echo "torch==2.13.0" >"$folder/constraint"
cp requirements.lock "$folder/lock"
uv pip compile pyproject.toml --extra dev --python-version 3.11 --constraint "$folder/constraint" \
    --no-header --no-annotate --quiet --output-file "$folder/lock" "$@"
sed -e 's/^\(torch==[0-9.]*\)+.*/\1/' -e '/^\(nvidia-\|cuda-\|triton==\)/d' "$folder/lock" \
    >requirements.lock
