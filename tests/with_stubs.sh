#!/usr/bin/env bash
# Runs a command with stand-ins for container engines, schedulers and Conda first on PATH:
#   tests/with_stubs.sh nf-test test tests/profiles.nf.test
# The stand-ins (tests/pipeline/stubs/) record their commands and run the task on this machine.
set -euo pipefail

stubs=$(cd "$(dirname "${BASH_SOURCE[0]}")/pipeline/stubs" && pwd)
programs=$(mktemp -d)
trap 'rm -rf "$programs"' EXIT

# Link stub $1 under the names of the programs it stands in for.
stand_in() {
    local stub=$stubs/$1 name
    shift
    for name in "$@"; do
        ln -s "$stub" "$programs/$name"
    done
}

stand_in engine docker podman singularity apptainer ch-run ch-image
stand_in scheduler sbatch squeue bsub bjobs qsub qstat
stand_in conda conda
# Jobs are done as soon as they are submitted, so that there is nothing to wait for.
PATH=$programs:$PATH NXF_EXECUTOR_POLLINTERVAL=200ms "$@"
