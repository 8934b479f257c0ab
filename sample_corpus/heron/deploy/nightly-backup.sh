#!/usr/bin/env bash
# Dump Heron's database, encrypt it and put it into the bucket. Runs at 02:10, 08:10, 14:10 and 20:10
# (systemd timer heron-backup.timer). The name is from the time when it ran once a night.
#
# Exit status: 0 done; 3 dump too small; 4 upload failed twice; anything else is from the tools.
set -euo pipefail

BUCKET="s3://weirside-heron-backups"
REGION="eu-north"
RECIPIENTS="/etc/heron/age-recipients.txt"     # Priya, Jonah and the envelope
MIN_BYTES=$((18 * 1024 * 1024))                 # the real one has 31 MiB; half a dump is worse than none
stamp="$(date -u +%Y-%m-%dT%H%M)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

pg_dump -Fc --no-owner heron > "$work/heron.dump"

if [ "$(stat -c %s "$work/heron.dump")" -lt "$MIN_BYTES" ]; then
    echo "dump is suspiciously small, keeping the last good one" >&2
    exit 3
fi

sha256sum "$work/heron.dump" | cut -d' ' -f1 > "$work/heron-$stamp.sha256"
age -R "$RECIPIENTS" -o "$work/heron-$stamp.dump.age" "$work/heron.dump"

# The provider drops about one connection in two hundred; a second try has always been enough.
for attempt in 1 2; do
    if norl cp --region "$REGION" "$work"/heron-"$stamp".* "$BUCKET/"; then
        # Healthcheck: silence for seven hours rings the duty phone.
        curl -fsS -m 10 https://ping.weirside.example/heron-backup > /dev/null || true
        exit 0
    fi
    sleep $((attempt * 30))
done
exit 4
