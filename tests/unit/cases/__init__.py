"""Inputs that people of this trade have met, each with its right result through the whole stack."""
