"""The parts of ``Autos``: its I/O, and its methods by resource."""
