"""The main job on real parts: API, worker, Temporal, S3, database, and a court that fails."""
