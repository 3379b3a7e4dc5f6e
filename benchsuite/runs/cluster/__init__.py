"""Runs on SLURM and Ray: what a node is told, what it returns, and one run split over all nodes by chunks."""
