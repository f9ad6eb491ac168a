"""Histories of the main scenarios, recorded from real runs, and the test that they replay."""
