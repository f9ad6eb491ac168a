#!/bin/sh
# Migrates Temporal's two databases to the schema of the Temporal version in this image. The server and the account
# come from the tool's own variables (SQL_HOST, SQL_USER, …). A database that already has a schema is only upgraded.
set -eu

migrate() {
    export SQL_DATABASE="$1"
    temporal-sql-tool setup-schema -v 0.0
    temporal-sql-tool update-schema -d "/etc/temporal/schema/postgresql/v12/$2/versioned"
}

migrate temporal temporal
migrate temporal_visibility visibility
