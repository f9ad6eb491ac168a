"""The embedded stack: Temporal, S3, the simulator, the API and the worker, started and stopped together."""
