"""Deployments that are upgraded and restarted while they work."""
