"""The models as files. Training writes here, serving reads here, and they meet nowhere else."""
