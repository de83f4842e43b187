"""Settings of tests that use models in this process; what serves people is tested as a process of its own."""

import os
import tempfile

os.environ.setdefault("CHAT_DATA", tempfile.mkdtemp(prefix="chat-tests-"))
os.environ.setdefault("SECRET_KEY", "only for tests")

from chatsite.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # noqa: F405
