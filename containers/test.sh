#!/usr/bin/env bash
# Builds the image and runs the pipeline in it for real (make test-containers):
#   1. by Podman, as the podman profile does it
#   2. by Podman with a read-only root, a user that the image does not know, no home folder and no /tmp
#   3. by Charliecloud, where ch-run is installed
# and compares the three results. Needs Podman and Buildah, 30 GB of disk and a quarter of an hour or more.
# BASE_IMAGE names another base image; where no registry can be reached, debootstrap makes one of Debian's packages.
# KEEP_IMAGE=1 uses the existing image.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$PWD/.cache/containers
version=$(sed -nE "s/^ *version *= *'([^']+)'.*/\1/p" nextflow.config)
image=localhost/spatialweave:$version
log=$scratch/test.log
mkdir -p "$scratch"
: >"$log"
# Outside the project, so that containers see only those of its files that Nextflow mounts.
runs=$(mktemp -d -t spatialweave.XXXXXX)
chmod 755 "$runs"

say() { echo "$(date +%T) $*" | tee -a "$log"; }

fail() {
    say "ERROR: $*"
    exit 1
}

# Run "$@" and note how long it took; what it prints goes to a file of its own. (Bash does not stop at a failing line of a
# function that is called like this, so their lines are joined by &&.)
timed() {
    local title=$1 started=$SECONDS
    shift
    "$@" >"$scratch/${title// /_}.log" 2>&1 || { tail -n 30 "$scratch/${title// /_}.log"; fail "$title failed; see $scratch/${title// /_}.log"; }
    say "$title: $((SECONDS - started)) s"
}

# Without systemd (in a container, in a minimal machine) Podman's defaults for control groups do not work.
adapt_podman() {
    if [ -z "${CONTAINERS_CONF:-}" ] && [ ! -d /run/systemd/system ]; then
        export CONTAINERS_CONF=$scratch/containers.conf
        cat >"$CONTAINERS_CONF" <<CONF
[containers]
default_ulimits = ["nofile=16384:16384", "nproc=16384:16384"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
$(command -v runc >/dev/null && echo 'runtime = "runc"')
CONF
    fi
}

# Debian 12 with Python 3.11 out of Debian's packages, as localhost/debian-python:bookworm.
debian_base() {
    local packages=python3,python3-pip,python3-venv,ca-certificates,procps
    rm -rf "$scratch/base"
    debootstrap --variant=minbase --include=$packages bookworm "$scratch/base" &&
        tar -C "$scratch/base" --exclude='./proc/*' --exclude='./sys/*' --exclude='./var/cache/apt/archives/*.deb' -c . |
        podman import - localhost/debian-python:bookworm &&
        rm -rf "$scratch/base"
}

choose_base() {
    local standard
    standard=$(sed -nE 's/^ARG BASE_IMAGE=(.*)/\1/p' containers/Dockerfile)
    if [ -n "${BASE_IMAGE:-}" ]; then
        base=$BASE_IMAGE
    elif timeout 60 buildah pull -q "$standard" >/dev/null 2>&1; then
        base=$standard
    else
        base=localhost/debian-python:bookworm
        podman image exists "$base" || timed "base image by debootstrap" debian_base
    fi
    say "base image: $base"
}

# Run the test tissue in folder $1 with profile $2 and further arguments of Nextflow.
run_pipeline() {
    local folder=$runs/$1 profile=$2 project=$PWD
    shift 2
    mkdir "$folder" &&
        (cd "$folder" && "$project/nextflow" run "$project" -profile "$profile,test" --seeds 1 -ansi-log false "$@") &&
        test -s "$folder/results/report.html"
}

# The domains of both runs are the same bytes.
same_domains() {
    local file count=0
    for file in "$runs/$1"/results/test/domains/*/*.csv; do
        cmp "$file" "$runs/$2/results/test/domains/${file##*/domains/}" || fail "$1 and $2 differ in ${file##*/domains/}"
        count=$((count + 1))
    done
    [ "$count" -gt 0 ] || fail "$1 has no domains"
    say "$1 and $2: the same $count tables of domains"
}

hardened_run() {
    cat >"$scratch/hardened.config" <<'CONFIG'
podman.runOptions = '--read-only --read-only-tmpfs=false --user 12345:12345 --env HOME=/nonexistent'
CONFIG
    # Nextflow makes the tasks' folders; a user unknown to it has to be able to write there.
    (umask 000 && run_pipeline hardened podman -c "$scratch/hardened.config") &&
        # It was that user who worked, and caches went where they should.
        test -n "$(find "$runs/hardened/work" -name '*.h5ad' -user 12345)" &&
        test -n "$(find "$runs/hardened/work" -path '*/.cache/matplotlib')"
}

charliecloud_run() {
    local container root link=$PWD/.cache/spatialweave-$version status=0
    container=$(buildah from "$image") && root=$(buildah mount "$container") || return 1
    # Folders that are bound into a read-only image must exist there.
    mkdir -p "$root/$(cut -d/ -f2 <<<"$PWD")" "$root/$(cut -d/ -f2 <<<"$runs")"
    rm -f "$link"
    ln -s "$root" "$link"
    (export USER=${USER:-$(id -un)} && run_pipeline charliecloud charliecloud) || status=$?
    rm -f "$link"
    buildah rm "$container"
    return "$status"
}

for program in podman buildah; do
    command -v "$program" >/dev/null || fail "$program was not found; install it"
done
free=$(df --output=avail -BG . | tail -n 1 | tr -dc 0-9)
[ "$free" -ge 30 ] || fail "only $free GB of disk are free, and 30 are needed"
adapt_podman
choose_base
[ -n "${KEEP_IMAGE:-}" ] || timed "image build" containers/build.sh "$base"
say "size of the image: $(podman image inspect --format '{{.Size}}' "$image" | numfmt --to=si)B"
timed "pipeline by Podman" run_pipeline podman podman
timed "pipeline by Podman, hardened" hardened_run
same_domains podman hardened
if command -v ch-run >/dev/null; then
    timed "pipeline by Charliecloud" charliecloud_run
    same_domains podman charliecloud
else
    say "ch-run was not found: Charliecloud was not tested"
fi
rm -rf "$runs"
say "all passed"
