#!/bin/sh
# Makes NGINX serve a pair: `deploy.sh CERTIFICATE_FILE KEY_FILE [COMMAND...]`; then becomes COMMAND, if there is one.
#
# A pair is written once, into generations/<n>, and never changed. keys/<id of the key> leads to the newest pair of that
# key: NGINX opens both files through it at each handshake, so a renewal with the same key is one rename, and whichever
# certificate it finds fits the key. Another key gets an id of its own, which current.conf (included by NGINX) names;
# that file comes last and NGINX reads it when it reloads, so the pairs of before stay for two more deploys: workers
# that still use them are gone by then.
#
# Whatever moment it is killed at, what was served is served on; the next run removes what is half made.
set -eu
umask 027 # NGINX reads keys by its group

certificate=$1
key=$2
shift 2

served=/certificates/served
generations=$served/generations
keys=$served/keys
current=$served/current.conf

fail() {
    echo "deploy: $1; nothing was changed" >&2
    exit 1
}

grep -q -e '-----BEGIN CERTIFICATE-----' "$certificate" || fail "$certificate holds no certificate in PEM"
grep -q -e '-----BEGIN .*PRIVATE KEY-----' "$key" || fail "$key holds no private key in PEM"

mkdir -p "$generations" "$keys"
rm -rf "$generations/.new" "$keys/.new" "$served/.current.conf"

id=$(sha256sum <"$key" | cut -c 1-16)
serves_id="map \"\" \$served_key { default \"$id\"; }"

is_served() {
    [ "$(cat "$current" 2>/dev/null)" = "$serves_id" ] &&
        cmp -s "$certificate" "$keys/$id/fullchain.pem" && cmp -s "$key" "$keys/$id/key.pem"
}

generation_of() {
    link=$(readlink "$1")
    echo "${link##*/}"
}

deploy() {
    newest=$(ls "$generations" | sort -n | tail -n 1)
    generation=$((${newest:-0} + 1))

    mkdir "$generations/.new"
    cat "$certificate" >"$generations/.new/fullchain.pem"
    cat "$key" >"$generations/.new/key.pem"
    sync "$generations/.new/fullchain.pem" "$generations/.new/key.pem" "$generations/.new"
    mv -T "$generations/.new" "$generations/$generation"
    sync "$generations"

    ln -s "../generations/$generation" "$keys/.new"
    mv -T "$keys/.new" "$keys/$id"
    sync "$keys"

    if [ "$(cat "$current" 2>/dev/null)" != "$serves_id" ]; then
        echo "$serves_id" >"$served/.current.conf"
        sync "$served/.current.conf"
        mv -T "$served/.current.conf" "$current"
        sync "$served"
    fi
}

remove_old() {
    for link in "$keys"/*; do
        [ "$link" = "$keys/$id" ] || [ "$(generation_of "$link")" -ge $((generation - 2)) ] || rm "$link"
    done
    for folder in "$generations"/*; do
        number=${folder##*/}
        [ "$number" -lt $((generation - 2)) ] || continue
        is_linked "$number" || rm -r "$folder"
    done
}

is_linked() {
    for link in "$keys"/*; do
        [ "$(generation_of "$link")" != "$1" ] || return 0
    done
    return 1
}

if is_served; then
    echo "deploy: $id is served already"
else
    deploy
    remove_old
    echo "deploy: $id is served now, as generation $generation"
fi

[ $# -gt 0 ] || exit 0
exec "$@"
