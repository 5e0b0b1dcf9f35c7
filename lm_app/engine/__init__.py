"""R inside this process: the only package that imports rpy2. No R object leaves it."""
