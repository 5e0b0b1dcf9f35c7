#!/bin/sh
# Install those of the named Debian or Ubuntu packages that are missing: contrib/apt_install.sh PACKAGE...
set -eu
if ! command -v apt-get >/dev/null; then
    echo "This is not Debian or Ubuntu. Install what these Debian packages hold, then set SKIP_APT=1: $*" >&2
    exit 1
fi
missing=
for package in "$@"; do
    dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q '^install ok' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
echo "Installing$missing"
sudo=
if [ "$(id -u)" -ne 0 ]; then
    sudo=sudo
    command -v sudo >/dev/null || { echo "Not root, and there is no sudo. As root, run: apt-get install$missing" >&2; exit 1; }
fi
$sudo apt-get update -qq
# shellcheck disable=SC2086 # the packages are words
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
