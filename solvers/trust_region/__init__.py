"""Trust regions and cubic regularisation: the length of a step follows from how well the model predicts."""
