#!/bin/sh
# Makes deploy/base/perfrun.yaml from the chart, so that the two cannot say different things.
# With --check nothing is written; exits 1, and shows the difference, where they do.
set -eu
cd "$(dirname "$0")"

render() {
    # What only Helm has a use for goes: its labels, and the hooks for uninstall and test.
    # On its own, as a pipe would hide its failure, and an empty file be written.
    manifests=$(helm template perfrun ../charts/perfrun --namespace perfrun-system --no-hooks \
        --set crds.keep=false)
    echo "# Made from charts/perfrun by deploy/render.sh. Do not edit: change the chart."
    printf '%s\n' "$manifests" |
        sed -e '/^ *helm\.sh\/chart:/d' -e '/app\.kubernetes\.io\/managed-by: Helm/d' \
            -e '/^# Source: /d'
}

rendered=$(render)
if [ "${1:-}" = --check ]; then
    printf '%s\n' "$rendered" | diff -u base/perfrun.yaml - || {
        echo "deploy/base/perfrun.yaml differs from the chart: run deploy/render.sh" >&2
        exit 1
    }
else
    printf '%s\n' "$rendered" >base/perfrun.yaml
fi
