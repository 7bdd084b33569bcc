#!/usr/bin/env bash
# The worker of the work pool `dvdgan`, of type kubernetes. Flow runs get the image IMAGE, in the
# namespace NAMESPACE; the rest of their Jobs is in prefect/base_job_template.json.
#   PREFECT_API_URL=http://SERVER:4200/api IMAGE=REGISTRY/dvdgan:TAG NAMESPACE=dvdgan infra/kubernetes/worker.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

: "${IMAGE:?set it to the image of flow runs}" "${NAMESPACE:?set it to the namespace of flow runs}"
template="$(mktemp)"
sed "s|\"IMAGE\"|\"$IMAGE\"|; s|\"NAMESPACE\"|\"$NAMESPACE\"|" infra/kubernetes/prefect/base_job_template.json >"$template"
export DVDGAN_FOLDER=/project # in the pods of flow runs
exec infra/prefect/add_worker.sh kubernetes "$template"
