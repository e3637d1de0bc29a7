"""From one input to a small set of words or films that made the prediction, checked by masking."""
