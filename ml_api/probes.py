"""What load balancers and supervisors ask; ml_api/health.py answers. It is here as gunicorn reads it before Django."""

HEALTH_PATH, READY_PATH = "/healthz", "/readyz"
PROBES = HEALTH_PATH, READY_PATH
