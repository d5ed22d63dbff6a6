"""Newton's method with the whole Hessian, and its relatives."""
