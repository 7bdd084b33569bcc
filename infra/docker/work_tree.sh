#!/usr/bin/env bash
# Make the working folder, a volume, a work tree of this image's code, then run the command:
#   work_tree.sh COMMAND ...
# The code is linked, so that every container runs that of its own image, whichever made the volume.
# params.yaml, weights, .dvc and dvc.lock are the volume's own after the first time.
set -euo pipefail
code="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)"

link() {
    if [ -e "$1" ] && [ ! -L "$1" ]; then
        echo "error: $PWD/$1 is not a link, so this volume holds code of its own" >&2
        echo "  to do: move it away, or mount another volume at $PWD" >&2
        exit 2
    fi
    [ "$(readlink "$1" || true)" = "$code/$1" ] || ln -sfn "$code/$1" "$1"
}
# Under another name first: another container may start on the same volume at the same time.
copy_once() {
    [ -e "$code/$1" ] && [ ! -e "$1" ] || return 0
    cp -RL "$code/$1" "$1.$HOSTNAME.$$" && mv -nT "$1.$HOSTNAME.$$" "$1" && rm -rf "$1.$HOSTNAME.$$"
}
if [ "$PWD" != "$code" ] && [ -w . ]; then
    for name in .dvcignore dvc.yaml dvdgan flows infra prefect.yaml presets; do link "$name"; done
    for name in params.yaml dvc.lock weights .dvc; do copy_once "$name"; done
    # There is no git here: DVC keeps what it knows in dvc.lock and its cache.
    [ -e .dvc/config.local ] || printf '[core]\n    no_scm = true\n' >.dvc/config.local
fi
exec "$@"
