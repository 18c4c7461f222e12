#!/bin/sh
# Writes the secrets that docker-compose.yml mounts into deploy/secrets, or into the folder that is given.
# Passwords that are there stay as they are; to change one, delete its file, run this again and start its users anew.
set -eu
cd "${1:-$(dirname "$0")/secrets}"

# Compose mounts a secret with the owner and the mode that its file has, and each container has a user of its own. So the
# files can be read by all, and the folder keeps everybody else on this machine away from them.
chmod 700 .
umask 022

sha256() {
    if command -v sha256sum > /dev/null; then sha256sum; else shasum -a 256; fi | cut -d ' ' -f 1
}

for name in clickhouse_tradewind clickhouse_grafana clickhouse_analyst grafana_admin; do
    [ -s "$name" ] || od -An -N24 -tx1 /dev/urandom | tr -d ' \n' > "$name"
done

{
    echo '<clickhouse><users>'
    for user in tradewind grafana analyst; do
        hash=$(sha256 < "clickhouse_$user")
        echo "    <$user><password_sha256_hex>$hash</password_sha256_hex></$user>"
    done
    echo '</users></clickhouse>'
} > clickhouse_users.xml

echo "secrets are in $(pwd)"
