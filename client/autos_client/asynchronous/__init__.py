"""The parts of ``AsyncAutos``, with the same modules and names as in ``blocking``."""
