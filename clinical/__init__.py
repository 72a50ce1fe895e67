"""What the numbers mean: pure functions and types without I/O. Not a medical device."""
