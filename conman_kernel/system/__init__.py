"""The store as a whole: what it takes, what may go, whether it is sound. Above images and containers."""
