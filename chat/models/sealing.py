"""Secrets in the database: sealed by keys that are not in it, and each bound to the one place where it belongs.

The keys are those of CHAT_KEYS, or of a file that is made at the first use. The first seals, all of them unseal.
"""

import os
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.views.decorators.debug import sensitive_variables


class CannotUnseal(Exception):
    """It was sealed by a key that we do not have, or for another place."""


@sensitive_variables()
def seal(secret: str, place: str) -> str:
    """`place` is what the secret belongs to: a sealed text that was moved elsewhere cannot be unsealed there."""
    return _keyring().encrypt(f"{place}\0{secret}".encode()).decode()


@sensitive_variables()
def unseal(sealed: str, place: str) -> str:
    try:
        bound, _, secret = _keyring().decrypt(sealed.encode()).decode().partition("\0")
    except InvalidToken:
        raise CannotUnseal from None
    if bound != place:
        raise CannotUnseal
    return secret


def resealed(sealed: str) -> str:
    """The same by the first key."""
    try:
        return _keyring().rotate(sealed.encode()).decode()
    except InvalidToken:
        raise CannotUnseal from None


def add_key() -> bool:
    """Puts a new key before the others; False where they are not ours to change."""
    if settings.SEALING_KEYS:
        return False
    _write([Fernet.generate_key().decode(), *_keys()])
    return True


def drop_old_keys() -> None:
    _write(_keys()[:1])


# The keys


def keys_are_usable() -> bool:
    """Makes none: before the first use there is nothing to unseal."""
    if not settings.SEALING_KEYS and not settings.SEALING_KEYS_FILE.exists():
        return True
    try:
        _keyring()
    except ImproperlyConfigured:
        return False
    return True


def _keyring() -> MultiFernet:
    """Read each time: another process may have added one."""
    try:
        return MultiFernet([Fernet(key) for key in _keys()])
    except ValueError:
        raise ImproperlyConfigured("A key of CHAT_KEYS, or of the file keys, is not one of Fernet's.") from None


def _keys() -> list[str]:
    return settings.SEALING_KEYS or _kept_keys()


def _kept_keys() -> list[str]:
    path = settings.SEALING_KEYS_FILE
    if not path.exists():
        _make(path)
    return path.read_text().split()


def _make(path: Path) -> None:
    """Whole or not at all, and once: of two processes that make it at the same time, one file stays."""
    made = _written(path.parent, [Fernet.generate_key().decode()])
    with suppress(FileExistsError):
        os.link(made, path)
    made.unlink()


def _write(keys: list[str]) -> None:
    path = settings.SEALING_KEYS_FILE
    _written(path.parent, keys).replace(path)


def _written(folder: Path, keys: list[str]) -> Path:
    """A new file of its own, which only its owner can read."""
    with NamedTemporaryFile("w", dir=folder, prefix="keys-", delete=False) as file:
        file.write("\n".join(keys))
        file.flush()
        os.fsync(file.fileno())
    return Path(file.name)
