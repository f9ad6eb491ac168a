-- Run once by the Postgres image, as the superuser, when its volume is empty: for each of the two that use this
-- server a role of its own, and databases that only it can open.
\getenv catalog_password CATALOG_DB_PASSWORD
\getenv temporal_password TEMPORAL_DB_PASSWORD

CREATE ROLE autos LOGIN PASSWORD :'catalog_password';
CREATE ROLE temporal LOGIN PASSWORD :'temporal_password';

CREATE DATABASE autos OWNER autos;
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;

REVOKE CONNECT ON DATABASE autos, temporal, temporal_visibility FROM PUBLIC;
