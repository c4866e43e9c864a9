#!/bin/sh
# Installs the content of the Docker and the Apptainer image; runs as root inside the image that is being built.
#   install.sh environment FOLDER   the Python packages that FOLDER pins: uv.lock with pyproject.toml, or requirements.txt
#   install.sh system               the few programs that tasks need besides
set -eu

# The uv that wrote uv.lock; others of its series read it too.
uv_version=0.13.9
target=/opt/spatialweave
certificates=/etc/ssl/certs/ca-certificates.crt

environment() {
    # The system's certificates, to which a company may have added its own (containers/build.sh mounts the host's).
    if [ -e "$certificates" ]; then
        export PIP_CERT="$certificates" SSL_CERT_FILE="$certificates"
    fi
    python3 -m venv /opt/uv
    /opt/uv/bin/python -m pip install -q --no-cache-dir --disable-pip-version-check "uv==$uv_version"
    # The cache is on the same file system, so that packages are linked instead of written twice, and is removed at the end.
    # Python files are compiled now, since nothing can be added to a read-only image.
    export UV_PROJECT_ENVIRONMENT="$target" UV_CACHE_DIR=/opt/cache UV_LINK_MODE=hardlink UV_PYTHON_DOWNLOADS=never \
        UV_HTTP_TIMEOUT=180 UV_NO_PROGRESS=1
    if [ -e "$1/uv.lock" ]; then
        /opt/uv/bin/uv sync --project "$1" --frozen --no-dev --compile-bytecode --python "$(command -v python3)"
    else
        /opt/uv/bin/uv venv --python "$(command -v python3)" "$target"
        /opt/uv/bin/uv pip sync --compile-bytecode --python "$target/bin/python" "$1/requirements.txt"
    fi
    rm -rf /opt/cache /opt/uv
}

system() {
    # Nextflow measures tasks with ps; slim images come without it.
    if ! command -v ps >/dev/null; then
        apt-get update
        apt-get install -y --no-install-recommends procps
        rm -rf /var/lib/apt/lists/*
    fi
    # Charliecloud takes a task's environment from this file.
    mkdir -p /ch
    echo "PATH=$target/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" >/ch/environment
}

"$@"
