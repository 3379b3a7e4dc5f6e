"""Work on several processes or machines: torchrun, ``--processes``, SLURM and Ray."""
