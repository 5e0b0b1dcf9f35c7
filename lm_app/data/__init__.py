"""Read data: bytes of any common kind become a table of typed columns. Training and serving read alike."""
