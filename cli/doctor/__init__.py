"""`autos doctor`: looks at every part of a deployment from the machine of a service, and names what to do.

command    the command: runs the checks and prints them   checks     the table: order, dependencies, time limits
findings   what a check has found; the checks' names      runner     runs a table of checks concurrently
parts      the parts, opened as the services open them    …_checks   the checks, a module per part
"""
