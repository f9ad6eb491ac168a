"""Rules of workflows that need no server."""
