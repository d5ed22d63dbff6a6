"""MNIST and the two random views of each digit."""
