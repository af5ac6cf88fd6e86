#!/bin/sh
# Makes the data directory once, then becomes the server. `docker-entrypoint.sh postgres [options]`; any other command runs as it is.
#
# A directory that holds no database is filled in two steps that survive a kill at any moment: initdb works in
# .initdb-running, which is thrown away if found later; once complete and on disk it is renamed to .initdb-done, from
# where everything moves up, PG_VERSION (which says that a database is here) last.
set -eu

fail() {
    echo "postgres: $1" >&2
    exit 1
}

[ "${1:-}" = postgres ] || exec "$@"

# The password file may be readable by root alone: opened before the switch of user, read after it.
if [ ! -s "$PGDATA/PG_VERSION" ] && [ -z "${PASSWORD_IS_OPEN:-}" ]; then
    [ -r "${POSTGRES_PASSWORD_FILE:-}" ] && [ -s "$POSTGRES_PASSWORD_FILE" ] ||
        fail "no database in $PGDATA yet, and POSTGRES_PASSWORD_FILE ('${POSTGRES_PASSWORD_FILE:-}') names no readable file with the superuser's password; mount one and name it."
    exec 3<"$POSTGRES_PASSWORD_FILE"
    export PASSWORD_IS_OPEN=yes
fi

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    chmod 0700 "$PGDATA"
    find "$PGDATA" /var/run/postgresql ! -user postgres -exec chown postgres:postgres {} +
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
unset PASSWORD_IS_OPEN

initialise() {
    running=$PGDATA/.initdb-running
    done=$PGDATA/.initdb-done

    if [ ! -d "$done" ]; then
        rm -rf "$running"
        unknown=$(ls -A "$PGDATA" | grep -vx 'lost+found' | head -n 3) || true
        [ -z "$unknown" ] || fail "$PGDATA holds no database but is not empty ($(printf %s "$unknown" | tr '\n' ' ')); give an empty volume or restore the database."
        # A here-document would be a file of the password; a pipe leaves nothing behind.
        cat <&3 | initdb --pgdata="$running" --username=postgres --pwfile=/dev/stdin \
            --auth-local=peer --auth-host=scram-sha-256 --data-checksums \
            --encoding=UTF8 --locale=C.UTF-8 --set=listen_addresses='*'
        # Inside the container root may stand for the server's user, so that `docker exec ... psql -U postgres` works.
        sed -i 's/^\(local .*\)peer$/\1peer map=inside/' "$running/pg_hba.conf"
        echo 'host all all all scram-sha-256' >>"$running/pg_hba.conf"
        printf 'inside postgres all\ninside root all\n' >>"$running/pg_ident.conf"
        sync
        mv "$running" "$done"
    fi

    find "$done" -mindepth 1 -maxdepth 1 ! -name PG_VERSION -exec mv -t "$PGDATA" {} +
    mv "$done/PG_VERSION" "$PGDATA/"
    rmdir "$done"
}

[ -s "$PGDATA/PG_VERSION" ] || initialise
[ -s "$PGDATA/global/pg_control" ] ||
    fail "$PGDATA has a PG_VERSION but no global/pg_control: what made it did not finish. If it never held data, remove the volume; else restore a backup."
exec 3<&-
exec "$@"
