"""The commands of `autos` that speak to a running service or to its catalog, a module for each kind."""
