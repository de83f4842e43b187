"""The bell at the foot of the sidebar: how much somebody has not looked at yet."""

from django import template

from chat.access import unseen_by
from chat.models import Person

register = template.Library()


@register.simple_tag
def unseen(person: Person) -> int:
    return unseen_by(person)
