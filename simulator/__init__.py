"""A simulated court: the portal's API over HTTP, with deterministic documents and fault injection.

Everything about a process is derived from its number. So nothing is stored, and a restarted simulator responds as
before. What is configured through ``/_simulator`` (more documents, faults, latency) is kept in memory and lost when
the server stops. :func:`simulator.server.serve` runs it.
"""
