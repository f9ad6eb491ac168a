"""What Autos knows without touching the world: numbers, documents, failures, messages.

Standard library only. Everything else imports from here; this package imports nothing of the project's.
"""
