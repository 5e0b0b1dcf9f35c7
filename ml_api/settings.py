"""Settings: from the environment, or from .env beside manage.py. Production is the default."""

import os
import sys
from pathlib import Path

from dotenv import load_dotenv

from ml_api import environment, hosts
from ml_api.access.middleware import OPEN
from ml_api.version import VERSION

BASE_DIR = Path(__file__).resolve().parent.parent
load_dotenv(BASE_DIR / ".env")

SECRET_KEY = environment.required(
    "SECRET_KEY", "run 'python contrib/setup_env_and_terraform.py', which writes a random one to .env."
)
DEBUG = environment.boolean("DEBUG", default=False)
ALLOWED_HOSTS = hosts.checked(environment.comma_separated("ALLOWED_HOSTS", default="localhost,127.0.0.1,[::1]"))

# Set by Azure's App Service: the host name. All that follows from it is for behind App Service only.
WEBSITE_HOSTNAME = os.environ.get("WEBSITE_HOSTNAME", "")
if WEBSITE_HOSTNAME:
    # The domain with all its hosts: a swap gives a running staging slot the host name of production. Requests for
    # hosts of others don't get here, as App Service routes by the Host.
    ALLOWED_HOSTS.append(f".{WEBSITE_HOSTNAME.partition('.')[2]}")
    # App Service ends HTTPS and sets this header, whatever a client sends.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = bool(WEBSITE_HOSTNAME)
SECURE_REDIRECT_EXEMPT = [
    "^(healthz|readyz)/?$"
]  # App Service asks by an address, over plain HTTP, and follows no redirect
# Sent where a request came by HTTPS: to App Service, or to a proxy that FORWARDED_ALLOW_IPS names.
SECURE_HSTS_SECONDS = environment.natural("SECURE_HSTS_SECONDS", default=365 * 24 * 60 * 60 if WEBSITE_HOSTNAME else 0)
SILENCED_SYSTEM_CHECKS = [
    "security.W004",  # HSTS: for who runs it with HTTPS to say, by SECURE_HSTS_SECONDS
    "security.W008",  # redirect to HTTPS: outside of App Service, whoever ends HTTPS does it
    "security.W001",  # SecurityMiddleware: is there where it has something to do, which costs each request
    "security.W002",  # X-Frame-Options: ml_api.middleware.security_headers sets it
    "security.W003",  # CSRF: there are no sessions or cookies that a forged request could use
    "security.W005",  # HSTS for subdomains: what else is below a domain is not ours to decide
    "security.W021",  # HSTS preload: as for W005
]

# The models: one folder each (see the README), and the one that answers where a URL names none.
LM_MODELS_DIR = Path(os.environ.get("LM_MODELS_DIR") or BASE_DIR / "extra_files")
LM_DEFAULT_MODEL = os.environ.get("LM_DEFAULT_MODEL") or "timedistance"
# Those without which the server is not ready; see ml_api/health.py.
LM_REQUIRED_MODELS = environment.models("LM_REQUIRED_MODELS")
# Part of each ETag: what the software answers may change with it, though the model stays.
LM_SOFTWARE_VERSION = VERSION
# Trainings sign what they make by the private key; only what one of the public keys verifies is served.
LM_SIGNING_KEY = environment.private_key("LM_SIGNING_KEY")
LM_VERIFY_KEYS = environment.public_keys("LM_VERIFY_KEY", LM_SIGNING_KEY)
# The most that one request may bring.
LM_MAX_ROWS = environment.positive("LM_MAX_ROWS", default=100_000)
DATA_UPLOAD_MAX_MEMORY_SIZE = environment.positive("LM_MAX_BYTES", default=32 * 1024 * 1024)
# The most that the requests of one worker may bring at once; beyond it, they are asked to come back.
LM_MAX_BYTES_AT_ONCE = environment.positive("LM_MAX_BYTES_AT_ONCE", default=DATA_UPLOAD_MAX_MEMORY_SIZE)
# The most seconds that a body may take to come.
LM_BODY_SECONDS = environment.positive("LM_BODY_SECONDS", default=120)
# The most seconds that a prediction may take, in R and waiting for it.
LM_MAX_SECONDS = environment.positive("LM_MAX_SECONDS", default=30)
# The most numbers that its model matrix may have: observations times coefficients.
LM_MAX_CELLS = environment.positive("LM_MAX_CELLS", default=50_000_000)
# The most requests that wait for a thread of one worker; more are answered 503 at once.
LM_MAX_WAITING = environment.positive("LM_MAX_WAITING", default=256)
# The most that one training may take; 0 is no limit.
LM_TRAINING_SECONDS = environment.natural("LM_TRAINING_SECONDS", default=0)
LM_TRAINING_BYTES = environment.natural("LM_TRAINING_BYTES", default=0)

# Where traces are sent, if anywhere: to an OpenTelemetry collector, to Azure, or both; see ml_api/observe/traces.py.
OTEL_EXPORTER_OTLP_ENDPOINT = environment.url("OTEL_EXPORTER_OTLP_ENDPOINT")
APPLICATIONINSIGHTS_CONNECTION_STRING = environment.connection_string("APPLICATIONINSIGHTS_CONNECTION_STRING")
# The folder to which what is asked and answered is written, and how.
LM_PREDICTION_LOG = environment.folder("LM_PREDICTION_LOG")
LM_PREDICTION_LOG_FORMAT = environment.log_format("LM_PREDICTION_LOG_FORMAT")
LM_PREDICTION_LOG_BYTES = environment.positive("LM_PREDICTION_LOG_BYTES", default=64 * 1024 * 1024)
LM_PREDICTION_LOG_DAYS = min(environment.natural("LM_PREDICTION_LOG_DAYS", default=90), 100_000)  # so old is none
# Who may read /metrics: nobody, all, or keys with the right to.
LM_METRICS = environment.one_of("LM_METRICS", ("off", "open", "key"), default="off")
# Who may ask what, and how often; without keys and limits, everybody everything. See docs/access.md.
LM_API_KEYS = environment.api_keys("LM_API_KEYS", os.environ.get("LM_API_KEYS_FILE", ""))
LM_OPEN = environment.some_of("LM_OPEN", OPEN)
LM_RATE_LIMIT = environment.rate_limits("LM_RATE_LIMIT")
LM_TRUSTED_PROXIES = environment.networks("LM_TRUSTED_PROXIES")
REDIS_URL = environment.redis_url("REDIS_URL") if LM_RATE_LIMIT else ""

INSTALLED_APPS = [
    "django.contrib.staticfiles",
    "django_extensions",  # manage.py runscript
    "ninja",  # its Swagger assets, so that none comes from a CDN
    "lm_app",
]
MIDDLEWARE = [
    "ml_api.middleware.security_headers",  # first: for every response
    *(["django.middleware.security.SecurityMiddleware"] if SECURE_SSL_REDIRECT or SECURE_HSTS_SECONDS else []),
    "ml_api.middleware.problems_as_pages",
    "ml_api.middleware.method_not_allowed_as_problem",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "ml_api.middleware.as_routes_expect",
    "ml_api.access.middleware.Access",
    "ml_api.health.health_first",
    "ml_api.gate.bounded_bodies",
    "ml_api.middleware.known_host",
]
# The origins whose pages may ask. Without any, nothing looks at a request for it.
CORS_ALLOWED_ORIGINS = environment.origins("CORS_ALLOWED_ORIGINS")
if CORS_ALLOWED_ORIGINS:
    MIDDLEWARE.insert(0, "corsheaders.middleware.CorsMiddleware")  # its headers are for errors, too
    CORS_ALLOW_ALL_ORIGINS = "*" in CORS_ALLOWED_ORIGINS
    CORS_ALLOW_METHODS = ["GET", "HEAD", "POST"]
    CORS_ALLOW_HEADERS = ["accept", "content-encoding", "content-type", "if-match", "if-none-match"]
    CORS_ALLOW_HEADERS += ["authorization", "lm-version", "x-api-key", "x-request-id"]
    CORS_EXPOSE_HEADERS = ["ETag", "Allow", "Retry-After", "Accept-Encoding", "X-Request-ID"]
    CORS_EXPOSE_HEADERS += ["RateLimit", "RateLimit-Policy", "WWW-Authenticate"]
    CORS_EXPOSE_HEADERS += [f"LM-{name}" for name in ("Model", "Version", "Interval", "Level", "Warnings", "Errors")]
    CORS_EXPOSE_HEADERS += ["LM-Df", "LM-Residual-Scale", "LM-Constant"]
APPEND_SLASH = False  # optional_slash answers both forms
ROOT_URLCONF = "ml_api.urls"
WSGI_APPLICATION = "ml_api.wsgi.application"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
TIME_ZONE = "UTC"

# Behind a proxy that serves this below a path, gunicorn takes the path from this variable; so do links and assets.
FORCE_SCRIPT_NAME = environment.path("SCRIPT_NAME") or None
STATIC_URL = f"{FORCE_SCRIPT_NAME or ''}/static/"
WHITENOISE_USE_FINDERS = True  # serves the packages' own files; no collectstatic needed
WHITENOISE_ROOT = BASE_DIR / "lm_app" / "root"  # /favicon.ico, for whoever opens JSON or a picture

# Of all lines: JSON for programs, or text for people.
LOG_FORMAT = environment.one_of("LOG_FORMAT", ("json", "text"), default="text" if sys.stdout.isatty() else "json")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "ml_api.log.JSONLines"},
        "text": {  # as gunicorn's
            "()": "ml_api.log.TextLines",
            "format": "{asctime} [{process}] [{levelname}] {name}: {message}",
            "datefmt": "[%Y-%m-%d %H:%M:%S %z]",
            "style": "{",
        },
    },
    "filters": {"rate_limit": {"()": "ml_api.log.RateLimit"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["rate_limit"]},
        "requests": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT},
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "rpy2": {"level": "WARNING"},
        "_granian": {"level": "WARNING"},
        "azure": {"level": "WARNING"},  # else a line for each batch of traces
        "django.request": {"level": "ERROR"},  # a client's mistakes are in the access log, and in the answer
        "django.server": {"handlers": ["requests"], "propagate": False},  # runserver's access log
        "django.security": {"level": "CRITICAL"},  # ml_api.problems.bad_request logs them, without a traceback
    },
}
