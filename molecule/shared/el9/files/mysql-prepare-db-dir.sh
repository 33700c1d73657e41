#!/bin/sh
# Makes an empty database as `mysqld --initialize-insecure` does: root@localhost without a password, and nobody else.
set -eu
data=/var/lib/mysql
[ ! -d "$data/mysql" ] || exit 0
/usr/bin/mariadb-install-db --no-defaults --datadir="$data" --auth-root-authentication-method=normal \
    --skip-name-resolve --skip-test-db > /dev/null
printf "DELETE FROM mysql.global_priv WHERE Host <> 'localhost' OR User = '';\n" |
    /usr/libexec/mysqld --no-defaults --datadir="$data" --bootstrap --silent-startup 2> /dev/null
