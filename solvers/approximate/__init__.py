"""Newton's method with an approximate Hessian: a diagonal, a sample, a sketch, past steps."""
