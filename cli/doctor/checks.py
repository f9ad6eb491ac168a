"""The table of all checks, in the order in which they are printed."""

from __future__ import annotations

from cli.doctor.bucket_checks import check_bucket, check_bucket_cors, check_bucket_link, check_bucket_round_trip
from cli.doctor.court_checks import COURT_AWAY, NEW_TOKEN, check_circuits, check_court, check_court_token
from cli.doctor.database_checks import MIGRATE, check_database, check_database_writes, check_schema
from cli.doctor.findings import CheckName
from cli.doctor.local_checks import check_access, check_clock, check_disk, check_secret_key, check_settings
from cli.doctor.runner import Check
from cli.doctor.temporal_checks import (
    check_payload_key,
    check_search_attributes,
    check_temporal,
    check_temporal_namespace,
    check_workers,
)
from cli.doctor.trace_checks import TRACES, check_traces
from cli.doctor.webhook_checks import check_webhooks

_DATABASE = "Start the database, or correct AUTOS_DATABASE_URL. A new file is made by `autos migrate`."
_TEMPORAL = "Start Temporal, or correct TEMPORAL_ADDRESS and the other TEMPORAL_… variables."
_STORE = "Start the store, or correct AUTOS_S3_ENDPOINT_URL and the other AUTOS_S3_… variables."

CHECKS = (
    Check(CheckName.SETTINGS, check_settings, "Correct AUTOS_WEBHOOK_SECRET or AUTOS_WEBHOOK_PROXY_URL."),
    Check(CheckName.DATABASE, check_database, _DATABASE),
    Check(CheckName.SCHEMA, check_schema, MIGRATE, needs=(CheckName.DATABASE,)),
    Check(
        CheckName.DATABASE_WRITES,
        check_database_writes,
        "Give the user of AUTOS_DATABASE_URL the rights to write, and name the primary server, not a replica.",
        needs=(CheckName.SCHEMA,),
    ),
    Check(CheckName.TEMPORAL, check_temporal, _TEMPORAL),
    Check(
        CheckName.NAMESPACE,
        check_temporal_namespace,
        "Create the namespace, or set TEMPORAL_NAMESPACE.",
        needs=(CheckName.TEMPORAL,),
    ),
    Check(
        CheckName.SEARCH_ATTRIBUTES,
        check_search_attributes,
        "Let the key of TEMPORAL_API_KEY list search attributes, or look at them in Temporal's UI.",
        needs=(CheckName.NAMESPACE,),
    ),
    Check(CheckName.WORKERS, check_workers, _TEMPORAL, needs=(CheckName.NAMESPACE,)),
    Check(CheckName.BUCKET, check_bucket, _STORE, seconds=25),
    Check(CheckName.BUCKET_ROUND_TRIP, check_bucket_round_trip, _STORE, needs=(CheckName.BUCKET,), seconds=25),
    Check(CheckName.BUCKET_LINK, check_bucket_link, _STORE, needs=(CheckName.BUCKET_ROUND_TRIP,)),
    Check(CheckName.BUCKET_CORS, check_bucket_cors, _STORE, needs=(CheckName.BUCKET_LINK,)),
    Check(CheckName.CIRCUITS, check_circuits, _DATABASE, needs=(CheckName.SCHEMA,)),
    Check(
        CheckName.COURT,
        check_court,
        COURT_AWAY,
        # The rate limiter writes to the database, and Temporal may have a rate that an operator has set.
        needs=(CheckName.DATABASE_WRITES, CheckName.CIRCUITS),
        after=(CheckName.NAMESPACE,),
        seconds=30,
    ),
    Check(
        CheckName.COURT_TOKEN,
        check_court_token,
        NEW_TOKEN,
        needs=(CheckName.SCHEMA,),
        after=(CheckName.CIRCUITS, CheckName.COURT),
    ),
    Check(
        CheckName.WEBHOOKS,
        check_webhooks,
        "Correct AUTOS_ALERT_WEBHOOK_URL, or what --webhook-url names.",
        needs=(CheckName.SETTINGS,),
        after=(CheckName.SCHEMA,),
        seconds=30,
    ),
    Check(CheckName.TRACES, check_traces, TRACES),
    Check(
        CheckName.CLOCK,
        check_clock,
        "",
        after=(CheckName.DATABASE, CheckName.BUCKET, CheckName.BUCKET_ROUND_TRIP, CheckName.COURT),
    ),
    Check(CheckName.DISK, check_disk, "Let this user read the folders of AUTOS_DATA_DIR and TMPDIR."),
    Check(CheckName.ACCESS, check_access, _DATABASE, needs=(CheckName.SCHEMA,)),
    Check(
        CheckName.SECRET_KEY,
        check_secret_key,
        "Set AUTOS_SECRET_KEY to the key that the services use.",
        after=(CheckName.SCHEMA,),
    ),
    Check(
        CheckName.PAYLOAD_KEY,
        check_payload_key,
        "Set AUTOS_PAYLOAD_KEY to the same keys for the API and the workers (docs/encryption.md).",
        after=(CheckName.NAMESPACE,),
        seconds=20,
    ),
)
