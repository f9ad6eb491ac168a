"""Tests of what Autos knows without touching the world."""
