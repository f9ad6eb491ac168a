"""Downloads through the whole stack: API, worker, Temporal, S3, database, and a simulated court."""
