from chat.models.account import Account, Person
from chat.models.completion import Completion, Segment
from chat.models.conversation import Conversation, Message
from chat.models.filing import Folder, Tag
from chat.models.language_model import LanguageModel, Provider
from chat.models.process import Presence, Process
from chat.models.usage import UsageEntry

__all__ = [
    "Account",
    "Completion",
    "Conversation",
    "Folder",
    "LanguageModel",
    "Message",
    "Person",
    "Presence",
    "Process",
    "Provider",
    "Segment",
    "Tag",
    "UsageEntry",
]
