-- Run once by the Postgres image, as the superuser, when its volume is empty. Creates one role for the catalog and one
-- for Temporal, with databases that no other role can connect to.
\getenv catalog_password CATALOG_DB_PASSWORD
\getenv temporal_password TEMPORAL_DB_PASSWORD

CREATE ROLE autos LOGIN PASSWORD :'catalog_password';
CREATE ROLE temporal LOGIN PASSWORD :'temporal_password';

CREATE DATABASE autos OWNER autos;
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;

REVOKE CONNECT ON DATABASE autos, temporal, temporal_visibility FROM PUBLIC;
