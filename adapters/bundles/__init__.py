"""Bundles: the pieces of a process as one PDF or one ZIP, from files on a scratch disk to a file or a stream.

No bytes of a document are held in memory as a whole, and no untrusted bytes are parsed in the process that calls.
"""

from __future__ import annotations
