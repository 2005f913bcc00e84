"""A Celery app with a fleet, as a deployment has it; the settings are in the environment."""

import json
import os

from celery import Celery

from pryv_fleet import Fleet
from pryv_fleet.celery import install

app = Celery("fleet", broker=os.environ["TEST_BROKER"])
app.conf.update(worker_hijack_root_logger=False, broker_connection_retry_on_startup=True)
settings = json.loads(os.environ["TEST_FLEET"])
fleet = Fleet(os.environ["TEST_DSN"], **settings.get("fleet", {}))
sync_due = install(app, fleet, **settings.get("install", {}))
