"""What is in a file that somebody attached: text for a model to read, or an image for it to see. No Django.

Files are not to be trusted, nor are the libraries that read them to be without faults: all of it happens in a child
process with little memory and time (`confined`), and what comes back of it is bounded and looked at.
"""

from chat.extraction.confined import extract
from chat.extraction.contract import Extract, Limits, Unreadable

__all__ = ["Extract", "Limits", "Unreadable", "extract"]
