"""The REST interface, and the page for people; ARCHITECTURE.md has the map."""
