"""A user's own data: files and arrays, made into problems by one of the models that are here."""
