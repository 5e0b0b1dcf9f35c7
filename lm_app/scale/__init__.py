"""Data that are larger than memory: cut into parts, on a cluster of processes. Serving imports nothing of it."""
