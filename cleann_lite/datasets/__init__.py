"""Data: what ships with the package, public sets on demand, and tables that users bring."""
