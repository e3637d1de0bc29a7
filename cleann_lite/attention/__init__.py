"""Attention: read as a structural equation model, merged into words, asked whether it is identifiable."""
