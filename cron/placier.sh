#!/bin/sh
# `placier` as people type it on the server: always as the user placier, with its configuration and its secrets.
# Copy to /usr/local/bin/placier, mode 755.  Names of files are those of /srv/placier.  cron and systemd need none of this.
set -eu
[ "$(id -un)" = placier ] || exec runuser -u placier -- "$0" "$@"
cd /srv/placier
if [ -r secrets/environment ]; then
    set -a
    . /srv/placier/secrets/environment
    set +a
fi
export PLACIER_CONFIG=/srv/placier/config
exec /opt/placier/bin/placier "$@"
