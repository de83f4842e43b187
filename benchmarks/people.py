"""Makes people with sessions, straight in the database: signing up costs a password hash each.

python -m benchmarks.people COUNT    with CHAT_DATA; prints their cookies as JSON
"""

import json
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")
django.setup()

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.db import transaction  # noqa: E402
from django.utils.crypto import get_random_string  # noqa: E402

from chat.models import Account, Person  # noqa: E402
from chat.views.accounts import BACKEND  # noqa: E402


def cookies_of_new_person(number: int) -> dict[str, str]:
    person = Person.objects.create(username=f"person-{number}", password="!")
    Account.of(person)
    session = SessionStore()
    session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(person.pk), BACKEND
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.save()
    return {"sessionid": session.session_key, "csrftoken": get_random_string(32)}


if __name__ == "__main__":
    with transaction.atomic():
        print(json.dumps([cookies_of_new_person(number) for number in range(int(sys.argv[1]))]))
