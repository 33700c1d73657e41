#!/usr/bin/env bash
# Pins the lists *.in to *.txt, with hashes, for every Python from 3.11 on; the benchmarks' and those of roles as well.
set -euo pipefail
cd "$(dirname "$0")"
export UV_SYSTEM_CERTS=1
uv=../.venv/bin/uv
[[ -x $uv ]] || { python3 -m venv ../.venv; ../.venv/bin/python -m pip install --quiet --require-hashes --requirement uv.txt; }
roles=../roles/mongodb/files
for list in uv app dev ../apps/benchmarks/{,shop_load/}requirements "$roles"/{mongodb-org,nx-27017}; do # dev and the benchmarks are bound to what app pins
  "$uv" pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --custom-compile-command 'make lock' "$list.in" --output-file "$list.txt"
  echo "requirements/$list.txt: $(grep -c '==' "$list.txt") packages"
done
