"""Causal discovery: graphs, separation, independence tests, orientation, and FCI, ICD and ordered ICD."""
