"""The command `autos`: it starts each part of the service, and has the client's commands too."""
