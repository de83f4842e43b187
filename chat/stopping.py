"""An administrator ends somebody's reply. It is written down first, so that none is ended unseen."""

from chat import live
from chat.models import AuditEntry, Completion, Person


def stop_as_administrator(by: Person, completion: Completion) -> bool:
    """Whether it is settled, 2 s later at most. Its person sees who ended it."""
    whose = {"person": completion.account, "model": completion.model.name, "purpose": completion.purpose}
    AuditEntry.record(by, "reply stopped", completion, after=whose)
    return live.stop(completion, "administrator")
