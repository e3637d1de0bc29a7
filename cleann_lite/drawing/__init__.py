"""Drawing: graphs and attention as pictures, and the same in words."""
