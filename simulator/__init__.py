"""A court on your desk: the portal's API over HTTP, with documents that are always the same and faults on demand.

Everything about a process follows from its number, so nothing is stored and a restarted simulator answers
as its former life did. What its user orders over ``/_simulator`` (more documents, faults, latency) lives in
memory and ends with the server. :func:`simulator.server.serve` runs it.
"""
