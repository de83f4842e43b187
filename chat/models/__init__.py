from chat.models.account import Account, AuditEntry, Group, Person
from chat.models.alert import Alert, AlertSettings, Delivery
from chat.models.budget import Budget, BudgetPeriod, Grant, Hold
from chat.models.calibration import Calibration
from chat.models.chore import Chore
from chat.models.completion import Completion, Segment
from chat.models.conversation import Conversation, Message
from chat.models.file import Attachment, File
from chat.models.filing import Folder, Tag
from chat.models.imports import Import
from chat.models.language_model import LanguageModel, Provider
from chat.models.persona import Persona
from chat.models.price import Price
from chat.models.process import Presence, Process
from chat.models.proof import Proof
from chat.models.retention import Retention
from chat.models.review import Review, may_read_others
from chat.models.share import Share
from chat.models.usage import ClosedMonth, UsageDay, UsageEntry, UsageRollup

__all__ = [
    "Account",
    "Alert",
    "AlertSettings",
    "Attachment",
    "AuditEntry",
    "Budget",
    "BudgetPeriod",
    "Calibration",
    "Chore",
    "ClosedMonth",
    "Completion",
    "Conversation",
    "Delivery",
    "File",
    "Folder",
    "Grant",
    "Group",
    "Hold",
    "Import",
    "LanguageModel",
    "Message",
    "Person",
    "Persona",
    "Presence",
    "Price",
    "Process",
    "Proof",
    "Provider",
    "Retention",
    "Review",
    "Segment",
    "Share",
    "Tag",
    "UsageDay",
    "UsageEntry",
    "UsageRollup",
    "may_read_others",
]
