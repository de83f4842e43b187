from chatsite.settings import *  # noqa: F403

ROOT_URLCONF = "tests.slow_site.urls"
