"""R inside this process: the only package that imports rpy2. No R object leaves it.

Raises ImproperlyConfigured where there is no R, or not that for which rpy2 was compiled.
"""

import os
import shutil

from django.core.exceptions import ImproperlyConfigured

if not (os.environ.get("R_HOME") or shutil.which("R")):
    raise ImproperlyConfigured("There is no R in PATH: install it (Debian's r-base-core), or set R_HOME to its folder.")
try:
    import rpy2.rinterface  # noqa: F401
except ImportError as error:
    raise ImproperlyConfigured(
        f"rpy2 can't load R: {error}. If R has changed, compile rpy2 for it anew: remove .venv, and set it up again."
    ) from None
