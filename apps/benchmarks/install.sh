#!/usr/bin/env bash
# Installs what the benchmarks run here, into their own virtual environment; the peers' copies for the lab's hosts are
# made from the same lock file.
set -euo pipefail
cd "$(dirname "$0")"
uv=../../.venv/bin/uv
[[ .venv/.installed -nt requirements.txt ]] && exit
echo "Installing the benchmarks' virtual environment from apps/benchmarks/requirements.txt"
# The system's certificates, also those that an administrator added.
export UV_SYSTEM_CERTS=1
"$uv" venv --quiet --no-config --clear --python ../../.venv/bin/python .venv
"$uv" pip sync --quiet --no-config --require-hashes --python .venv/bin/python requirements.txt
touch .venv/.installed
