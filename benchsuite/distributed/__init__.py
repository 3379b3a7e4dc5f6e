"""Who else computes: the processes of torchrun and ``--processes``, jobs on SLURM and Ray."""
