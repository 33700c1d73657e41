#!/usr/bin/env bash
# Installs what this machine lacks of requirements/: Debian packages (as root), then the virtual environment.
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t wanted < <(grep -v '^#' requirements/debian.txt)
missing=()
for package in "${wanted[@]}"; do
  [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done
if ((${#missing[@]})); then
  echo "Installing Debian packages: ${missing[*]}"
  ((EUID == 0)) || { echo "install.sh: needs root for: apt-get install ${missing[*]}" >&2; exit 1; }
  apt-get update --quiet --quiet
  DEBIAN_FRONTEND=noninteractive apt-get install --quiet --quiet --yes --no-install-recommends "${missing[@]}" >/dev/null
fi

echo "Installing the virtual environment .venv from requirements/dev.txt (Ansible, Molecule, linters)"
/usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "install.sh: python3 is older than 3.11" >&2; exit 1; }
[[ -x .venv/bin/python ]] || /usr/bin/python3 -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/uv.txt
# The system's certificates, also those that an administrator added.
UV_SYSTEM_CERTS=1 .venv/bin/uv pip sync --quiet --require-hashes --python .venv/bin/python requirements/dev.txt
touch .venv/.installed
