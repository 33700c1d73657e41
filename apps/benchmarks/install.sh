#!/usr/bin/env bash
# Installs what the benchmarks of a folder (this one, or one below: install.sh shop_load) run here, into a virtual
# environment of their own; the peers' copies for the lab's hosts are made from the same lock file.
set -euo pipefail
uv=$(realpath "$(dirname "$0")/../../.venv/bin")/uv
cd "$(dirname "$0")/${1:-.}"
[[ .venv/.installed -nt requirements.txt ]] && exit
echo "Installing the benchmarks' virtual environment from $PWD/requirements.txt"
# The system's certificates, also those that an administrator added.
export UV_SYSTEM_CERTS=1
"$uv" venv --quiet --no-config --clear --python "${uv%/uv}/python" .venv
"$uv" pip sync --quiet --no-config --require-hashes --python .venv/bin/python requirements.txt
touch .venv/.installed
