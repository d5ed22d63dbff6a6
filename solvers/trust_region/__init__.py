"""Steps as long as the model has earned: trust regions and cubic regularisation."""
