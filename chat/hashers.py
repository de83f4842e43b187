"""Hashing passwords within bounds: anybody may ask for it, as often and as much at once as they like."""

from concurrent.futures import ThreadPoolExecutor

from django.contrib.auth.hashers import Argon2PasswordHasher

# Two threads for all: so many at once, and only theirs keep the memory, which the allocator holds for each thread.
_threads = ThreadPoolExecutor(2, thread_name_prefix="hashing")


class BoundedArgon2(Argon2PasswordHasher):
    """Argon2id with 19 MiB, twice over, in one lane (OWASP's second choice), and two at a time in all.

    Django's own takes 100 MB and eight lanes each: two hundred sign-in attempts at once would take 20 GB.
    """

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        return _threads.submit(super().encode, password, salt).result()

    def verify(self, password: str, encoded: str) -> bool:
        return _threads.submit(super().verify, password, encoded).result()
