"""`python -m autos_client_cli`."""

from autos_client_cli import main

main()
