"""Models: what a model must say (the protocol), and the text models and recommenders that say it."""
