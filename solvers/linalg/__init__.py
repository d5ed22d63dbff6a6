"""Linear algebra on tensors: products with X, scaled Cholesky factors, exact ranks, Kronecker factors."""
