"""Real-world inputs, each with its expected result through the whole stack."""
