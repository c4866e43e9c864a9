#!/usr/bin/env bash
# Builds an image that tasks run in, under the name that conf/container.config expects:
#   containers/build.sh [--environment NAME] [--sif | --folder] [--with PROGRAM] [BASE_IMAGE]
# --environment NAME   the environment of a method (environments/NAME/) instead of the pipeline's own
# --sif                a file for Singularity and Apptainer, .cache/spatialweave-<version>.sif
# --folder             a folder for Charliecloud, .cache/spatialweave-<version>
# --with PROGRAM       the program that builds the image: buildah, podman or docker; default: the first that is installed
# Without --sif and --folder it is built by Buildah, Podman or Docker, as localhost/spatialweave:<version>.
# --sif and --folder convert that image if there is one. If there is none, Apptainer builds the .sif by itself; for a folder the
# image is built first.
# BASE_IMAGE is any image of Debian or Ubuntu with Python 3.11 and its venv module; default: the slim Python image.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "ERROR: $*" >&2
    exit 2
}

usage() { sed -nE '2,/^set /s/^# ?//p' containers/build.sh; }

# The first of some programs that is installed, or nothing.
first_of() {
    local program
    for program in "$@"; do
        if command -v "$program" >/dev/null; then
            echo "$program"
            return
        fi
    done
}

environment='' result=image builder='' base=''
while [ $# -gt 0 ]; do
    case $1 in
        --environment)
            [ $# -gt 1 ] || fail "--environment needs a name, one of: $(cd environments 2>/dev/null && echo *)"
            environment=$2
            shift
            ;;
        --with)
            [ $# -gt 1 ] || fail "--with needs a program: buildah, podman or docker"
            builder=$2
            shift
            ;;
        --sif) result=sif ;;
        --folder) result=folder ;;
        --help | -h)
            usage
            exit
            ;;
        -*) fail "$1 is not an option; --help lists them" ;;
        *) base=$1 ;;
    esac
    shift
done

version=$(sed -nE "s/^ *version *= *'([^']+)'.*/\1/p" nextflow.config)
name=spatialweave${environment:+-$environment}
image=localhost/$name:$version

# The builder gets only the files that the image is made from, not the whole folder with its environment and results.
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
mkdir "$context/pins"
cp containers/install.sh containers/Dockerfile containers/apptainer.def "$context"
if [ -n "$environment" ]; then
    pins=environments/$environment/requirements.txt
    [ -f "$pins" ] || fail "there is no $pins, which pins the packages of environment '$environment'"
    cp "$pins" "$context/pins"
else
    cp pyproject.toml uv.lock "$context/pins"
fi

build_image() {
    local options=(--tag "$image" --build-arg "VERSION=$version" --file "$context/Dockerfile")
    # The host's certificates are mounted for the build and do not stay in the image; Docker cannot mount them.
    local certificates=(--volume /etc/ssl/certs:/etc/ssl/certs:ro)
    [ -z "$base" ] || options+=(--build-arg "BASE_IMAGE=$base")
    case ${builder:=$(first_of buildah podman docker)} in
        buildah) buildah build --isolation chroot "${certificates[@]}" "${options[@]}" "$context" ;;
        podman) podman build "${certificates[@]}" "${options[@]}" "$context" ;;
        docker) docker build "${options[@]}" "$context" ;;
        '') fail "none of buildah, podman and docker was found to build the image with; install one" ;;
        *) fail "--with $builder: choose one of buildah, podman and docker" ;;
    esac
    echo "Built $image"
}

# The engine that has the image, or nothing. What Buildah has built, Podman has.
engine_with_image() {
    local engine
    for engine in podman docker; do
        if command -v "$engine" >/dev/null && "$engine" image inspect "$image" >/dev/null 2>&1; then
            echo "$engine"
            return
        fi
    done
}

build_sif() {
    local target=$PWD/.cache/$name-$version.sif program engine
    program=$(first_of apptainer singularity)
    [ -n "$program" ] || fail "neither apptainer nor singularity was found to make a .sif with; install one"
    engine=$(engine_with_image)
    mkdir -p .cache
    if [ -n "$engine" ]; then
        "$engine" save --output "$context/image.tar" "$image"
        "$program" build --force "$target" "docker-archive:$context/image.tar"
    else
        # Files of the definition are relative to the folder that the build is started in.
        (cd "$context" && "$program" build --force ${base:+--build-arg "BASE_IMAGE=$base"} "$target" apptainer.def)
    fi
    echo "Built $target"
}

build_folder() {
    local target=$PWD/.cache/$name-$version engine
    command -v ch-convert >/dev/null || fail "ch-convert was not found to make a folder with; install Charliecloud"
    engine=$(engine_with_image)
    if [ -z "$engine" ]; then
        build_image
        engine=$(engine_with_image)
    fi
    mkdir -p .cache
    ch-convert -i "${engine:-podman}" "$image" "$target"
    echo "Built $target"
}

"build_$result"
