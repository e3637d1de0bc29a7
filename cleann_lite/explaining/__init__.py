"""From one input to the smallest set of words or films that made the prediction, checked by masking."""
