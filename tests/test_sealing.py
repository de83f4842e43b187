"""Keys of providers in the database: read by nobody who has only the database, and in no other row."""

import io
import os
import stat
import traceback
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.core import serializers
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from chat.models import Provider
from chat.models.sealing import CannotUnseal, seal, unseal

CANARY = "sk-canary-0123456789-wxyz"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def keys(settings, tmp_path: Path) -> Path:
    settings.SEALING_KEYS, settings.SEALING_KEYS_FILE = [], tmp_path / "keys"
    return settings.SEALING_KEYS_FILE


def provider(name: str = "Mine", key: str = CANARY) -> Provider:
    made = Provider.objects.create(name=name, profile="openai", base_url="https://api.example/v1")
    made.keep_key(key)
    return Provider.objects.get(pk=made.pk)


def test_a_kept_key_is_sent_and_only_its_end_is_shown() -> None:
    mine = provider()
    assert (mine.endpoint.key, mine.key_ending, mine.endpoint.key_lost) == (CANARY, "wxyz", False)


def test_of_a_short_key_nothing_is_shown() -> None:
    assert provider(key="secret").key_ending == ""


def test_a_kept_key_goes_before_the_environments(monkeypatch) -> None:
    monkeypatch.setenv("MY_KEY", "of the environment")
    mine = provider()
    mine.key_variable = "MY_KEY"
    assert mine.endpoint.key == CANARY
    mine.keep_key("")
    assert (mine.endpoint.key, mine.key_ending) == ("of the environment", "")


def test_the_row_its_repr_and_a_dump_do_not_hold_the_key() -> None:
    mine = provider()
    dump = serializers.serialize("json", Provider.objects.all())
    out = io.StringIO()
    call_command("dumpdata", "chat.provider", stdout=out)
    for text in (str(vars(mine)), repr(mine), repr(mine.endpoint), dump, out.getvalue()):
        assert CANARY not in text and "canary" not in text


def test_a_traceback_does_not_hold_the_key() -> None:
    try:
        unseal(seal(CANARY, "here"), "there")
    except CannotUnseal as error:
        assert CANARY not in "".join(traceback.format_exception(error))


def test_the_key_file_is_made_once_and_for_its_owner_only(keys: Path) -> None:
    provider()
    made = keys.read_text()
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    provider("Another")
    assert keys.read_text() == made
    assert os.listdir(keys.parent) == ["keys"]


def test_sealed_rows_that_were_swapped_are_not_unsealed() -> None:
    mine, other = provider("Mine"), provider("Other", "sk-another-key-0123")
    Provider.objects.filter(pk=mine.pk).update(sealed_key=other.sealed_key)
    swapped = Provider.objects.get(pk=mine.pk).endpoint
    assert (swapped.key, swapped.key_lost) == ("", True)


def test_a_key_is_not_sent_to_another_server_than_it_was_pasted_for() -> None:
    mine = provider()
    Provider.objects.update(base_url="https://evil.example/v1")
    assert Provider.objects.get(pk=mine.pk).endpoint.key_lost
    Provider.objects.update(base_url="https://api.example/v2")
    assert Provider.objects.get(pk=mine.pk).endpoint.key == CANARY


def test_without_its_key_file_a_key_is_lost_and_nothing_breaks(keys: Path) -> None:
    mine = provider()
    keys.unlink()
    assert mine.endpoint.key_lost and mine.endpoint.key == ""


def test_a_damaged_seal_is_lost_and_nothing_breaks() -> None:
    mine = provider()
    for sealed in ("x", mine.sealed_key[:-9], "密" * 20):
        mine.sealed_key = sealed
        assert mine.endpoint.key_lost


# Rotation


def test_rotation_seals_anew_and_forgets_the_old_key(keys: Path) -> None:
    mine, other = provider("Mine"), provider("Other")
    before, sealed = keys.read_text(), mine.sealed_key
    out = io.StringIO()
    call_command("rotatekeys", stdout=out)
    assert "2 keys sealed anew" in out.getvalue()
    mine.refresh_from_db()
    other.refresh_from_db()
    assert {mine.endpoint.key, other.endpoint.key} == {CANARY}
    assert mine.sealed_key != sealed
    assert before not in keys.read_text() and len(keys.read_text().split()) == 1
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    mine.sealed_key = sealed
    assert mine.endpoint.key_lost


def test_rotation_keeps_the_old_keys_while_something_cannot_be_read(keys: Path) -> None:
    mine, other = provider("Mine"), provider("Other")
    Provider.objects.filter(pk=other.pk).update(sealed_key="damaged")
    with pytest.raises(CommandError, match="Other"):
        call_command("rotatekeys")
    assert len(keys.read_text().split()) == 2
    mine.refresh_from_db()
    assert mine.endpoint.key == CANARY


def test_keys_of_the_environment_rotate_by_their_order(settings, keys: Path) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.SEALING_KEYS = [old]
    mine = provider()
    settings.SEALING_KEYS = [new, old]
    call_command("rotatekeys", stdout=io.StringIO())
    settings.SEALING_KEYS = [new]
    mine.refresh_from_db()
    assert mine.endpoint.key == CANARY
    assert not keys.exists()


def test_a_key_that_is_none_is_said_so(settings) -> None:
    settings.SEALING_KEYS = ["not a key"]
    with pytest.raises(ImproperlyConfigured, match="CHAT_KEYS"):
        provider()
    assert "chat.E003" in [found.id for found in run_checks()]


def test_before_the_first_use_there_is_nothing_to_complain_of(keys: Path) -> None:
    assert "chat.E003" not in [found.id for found in run_checks()]
    assert not keys.exists()
