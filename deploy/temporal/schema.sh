#!/bin/sh
# Brings Temporal's two databases to the schema of the Temporal version whose image this runs in. The server and the
# account come by the tool's own variables (SQL_HOST, SQL_USER, …). A database that has a schema already is only
# brought up to date.
set -eu

bring_up() {
    export SQL_DATABASE="$1"
    temporal-sql-tool setup-schema -v 0.0
    temporal-sql-tool update-schema -d "/etc/temporal/schema/postgresql/v12/$2/versioned"
}

bring_up temporal temporal
bring_up temporal_visibility visibility
