#!/bin/sh
# Installs what the tests need beside Python packages, where it is missing: a browser and the database servers.
set -eu
missing=""
command -v chromium >/dev/null || missing="$missing chromium"
command -v redis-server >/dev/null || missing="$missing redis-server"
command -v msgfmt >/dev/null || missing="$missing gettext"
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql"
[ -z "$missing" ] && exit 0
if ! command -v apt-get >/dev/null; then
	echo "The tests need:$missing. Install them with your system's package manager." >&2
	exit 1
fi
root=""
[ "$(id -u)" = 0 ] || root=sudo
echo "Installing$missing …"
$root apt-get update -qq
DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq $missing >/dev/null
