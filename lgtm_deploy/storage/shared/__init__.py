"""Journal and lock for everybody, in an object store."""

from lgtm_deploy.storage.shared.journal import SharedJournal
from lgtm_deploy.storage.shared.lock import SharedLock
