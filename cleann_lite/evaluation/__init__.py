"""Evaluation: explanations and learners measured on many inputs, beside controls that know nothing."""
