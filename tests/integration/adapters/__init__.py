"""Tests of the adapters, each against the real part that it speaks to."""
