#!/usr/bin/env bash
# Builds the pipeline's image with Buildah, Podman or Docker, whichever is there:
#   containers/build.sh [BASE_IMAGE]
# BASE_IMAGE is any image of Debian or Ubuntu with Python 3.11 and its venv module; default: the slim Python image.
# The image is named localhost/spatialweave:<version of the pipeline>, as conf/container.config expects.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -nE "s/^ *version *= *'([^']+)'.*/\1/p" nextflow.config)
image=localhost/spatialweave:$version

# Only what the image is made of goes to the builder, not the whole folder with its environment and results.
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
mkdir "$context/containers"
cp pyproject.toml uv.lock "$context"
cp containers/install.sh "$context/containers"

options=(--tag "$image" --build-arg "VERSION=$version" --file containers/Dockerfile)
if [ $# -gt 0 ]; then
    options+=(--build-arg "BASE_IMAGE=$1")
fi
# The host's certificates are lent for the build and do not stay in the image; Docker has no way to lend them.
lend=(--volume /etc/ssl/certs:/etc/ssl/certs:ro)
if command -v buildah >/dev/null; then
    buildah build --isolation chroot "${lend[@]}" "${options[@]}" "$context"
elif command -v podman >/dev/null; then
    podman build "${lend[@]}" "${options[@]}" "$context"
elif command -v docker >/dev/null; then
    docker build "${options[@]}" "$context"
else
    echo "ERROR: none of buildah, podman and docker was found to build the image with; install one" >&2
    exit 2
fi
echo "Built $image"
