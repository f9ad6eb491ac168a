#!/bin/sh
# Makes the namespace where it is missing, and sets how long it keeps finished runs.
set -eu

# The server's port opens a little before all of its services answer.
attempt=1
until temporal operator cluster health >/dev/null 2>&1; do
    if [ "$attempt" -ge 30 ]; then
        temporal operator cluster health
        exit 1
    fi
    attempt=$((attempt + 1))
    sleep 2
done

if temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; then
    temporal operator namespace update --namespace "$TEMPORAL_NAMESPACE" --retention "$TEMPORAL_RETENTION"
else
    temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$TEMPORAL_RETENTION"
fi
