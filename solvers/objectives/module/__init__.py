"""A torch.nn.Module and a loss as an objective."""
