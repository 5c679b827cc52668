"""Journal and lock of one machine, in one SQLite file."""

from lgtm_deploy.storage.local.journal import LocalJournal
from lgtm_deploy.storage.local.lock import LocalLock
