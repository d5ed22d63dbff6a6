"""Linear models: objectives that depend on w through the margins z = Xw."""
