"""Linear models: the margins z = Xw, and what is known of f through them."""
