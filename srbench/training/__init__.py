"""Training by recipe: data, optimiser and schedule as one hashed value, one loop for any number of processes."""
