"""What people may set for themselves, their personas and their conversations, and what is said when it does not fit."""

from collections.abc import Iterable

from django import forms
from django.conf import settings
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from chat.forms.fields import OneComplaintForm, TextField
from chat.models import LanguageModel, Person, Persona
from chat.models.filing import NAME_LENGTH
from chat.models.persona import SYSTEM_PROMPT_LENGTH
from chat.parameters import LONGEST_STOP, MOST_STOPS, PARAMETERS, Choice, Kind, Number, Switch, Texts
from chat.words import folded

LABELS: dict[str, Promise] = {
    "temperature": _("Temperature"),
    "top_p": _("Top P"),
    "max_output": _("Longest answer, tokens"),
    "reasoning_effort": _("Effort of thinking"),
    "think": _("Thinking"),
    "top_k": _("Top K"),
    "min_p": _("Min P"),
    "repeat_penalty": _("Repeat penalty"),
    "presence_penalty": _("Presence penalty"),
    "frequency_penalty": _("Frequency penalty"),
    "seed": _("Seed"),
    "stop": _("Stop at"),
}
HELP: dict[str, Promise] = {
    "temperature": _("0 is the most likely answer; higher is more varied."),
    "top_p": _("Only the likeliest words that make up this share."),
    "max_output": _("Never more than the model’s own limit."),
    "seed": _("The same seed may give the same answer."),
    "stop": _("The answer ends where one of these would come; each on its own line."),
}
EFFORTS: dict[str, Promise] = {
    "minimal": pgettext_lazy("effort", "minimal"),
    "low": pgettext_lazy("effort", "low"),
    "medium": pgettext_lazy("effort", "medium"),
    "high": pgettext_lazy("effort", "high"),
}
AS_THE_MODEL = ("", _("as the model does"))


class StopsField(forms.CharField):
    def to_python(self, value: object) -> list[str]:
        """A line may begin or end with spaces: they count."""
        lines = super().to_python(value).replace("\r\n", "\n").split("\n")
        return [line for line in lines if line]

    def prepare_value(self, value: object) -> object:
        return "\n".join(value) if isinstance(value, list) else value

    def validate(self, value: list[str]) -> None:
        if len(value) > MOST_STOPS or any(len(stop) > LONGEST_STOP for stop in value):
            raise forms.ValidationError(
                _("At most %(most)d lines, each of at most %(longest)d characters.")
                % {"most": MOST_STOPS, "longest": LONGEST_STOP}
            )


def field_of(name: str, kind: Kind) -> forms.Field:
    field = _field_of(kind, name, {"required": False, "label": LABELS[name], "help_text": HELP.get(name, "")})
    field.widget.attrs["class"] = "in"
    return field


def _field_of(kind: Kind, name: str, common: dict) -> forms.Field:
    match kind:
        case Number(low, high, is_whole):
            sentence = format_lazy(_("{name}: a number from {low} to {high}."), name=LABELS[name], low=low, high=high)
            if is_whole:
                sentence = format_lazy(
                    _("{name}: a whole number from {low} to {high}."), name=LABELS[name], low=low, high=high
                )
            field = forms.IntegerField if is_whole else forms.FloatField
            said = dict.fromkeys(("invalid", "min_value", "max_value"), sentence)
            return field(min_value=low, max_value=high, error_messages=said, **common)
        case Choice(words):
            return forms.ChoiceField(choices=[AS_THE_MODEL, *((word, EFFORTS[word]) for word in words)], **common)
        case Switch():
            switch = [AS_THE_MODEL, ("yes", _("on")), ("no", _("off"))]
            return forms.TypedChoiceField(
                choices=switch, coerce=lambda choice: choice == "yes", empty_value=None, **common
            )
        case Texts():
            return StopsField(strip=False, widget=forms.Textarea({"rows": 2}), **common)


class SetupForm(OneComplaintForm):
    """A system prompt, and the parameters of `names`. What is left empty is left to the model."""

    system_prompt = TextField(
        required=False,
        strip=False,
        max_length=SYSTEM_PROMPT_LENGTH,
        widget=forms.Textarea({"rows": 4, "class": "in"}),
        help_text=_("What the model is told before the first message: who it is, how it is to answer."),
        error_messages={
            "max_length": _(
                "This system prompt has %(show_value)d characters; %(limit_value)d are the most. Shorten it."
            ),
        },
    )

    def __init__(self, *args, names: Iterable[str] = PARAMETERS, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.names = list(names)
        for name in self.names:
            self.fields[name] = field_of(name, PARAMETERS[name])

    @classmethod
    def showing(cls, system_prompt: str, parameters: dict, names: Iterable[str] = PARAMETERS) -> "SetupForm":
        switched = {True: "yes", False: "no"}
        shown = {name: switched[value] if isinstance(value, bool) else value for name, value in parameters.items()}
        return cls(initial={"system_prompt": system_prompt, **shown}, names=names)

    @property
    def parameters(self) -> dict[str, object]:
        wished = {name: self.cleaned_data.get(name) for name in self.names}
        return {name: value for name, value in wished.items() if value not in (None, "", [])}

    @property
    def parameter_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.names]

    @property
    def has_parameters(self) -> bool:
        """Whether any is set, or was refused: then they are shown unfolded."""
        return any(field.value() or field.errors for field in self.parameter_fields)


class PersonaForm(SetupForm):
    """Also the nameless one: `needs_name` says which."""

    name = forms.CharField(
        max_length=NAME_LENGTH,
        widget=forms.TextInput({"class": "in"}),
        error_messages={
            "required": _("A persona needs a name."),
            "max_length": _("A name can have %(limit_value)d characters; this one has %(show_value)d."),
        },
    )
    model = forms.ModelChoiceField(
        LanguageModel.objects.none(),
        required=False,
        error_messages={"invalid_choice": _("This model is not available any more. Choose another one.")},
    )

    def __init__(self, *args, persona: Persona, needs_name: bool = True, **kwargs) -> None:
        shown = SetupForm.showing(persona.system_prompt, persona.parameters).initial
        super().__init__(*args, initial={"name": persona.name, "model": persona.model_id, **shown}, **kwargs)
        self.persona = persona
        self.fields["model"].queryset = LanguageModel.objects.usable()
        if not needs_name:
            del self.fields["name"]

    def clean_name(self) -> str:
        name = self.cleaned_data["name"]
        others = Persona.objects.filter(person=self.persona.person).exclude(pk=self.persona.pk)
        if not folded(name) or others.filter(folded_name=folded(name)).exists():
            raise forms.ValidationError(_("Another of your personas has this name."))
        return name

    def save(self) -> Persona:
        fields = self.cleaned_data
        self.persona.name = fields.get("name", "")
        self.persona.model, self.persona.system_prompt = fields["model"], fields["system_prompt"]
        self.persona.parameters = self.parameters
        self.persona.save()
        return self.persona


class EmailForm(forms.Form):
    email = forms.EmailField(
        required=False,
        max_length=254,
        label=_("E-mail"),
        widget=forms.EmailInput({"class": "in", "autocomplete": "email"}),
        error_messages={"invalid": _("This is not an e-mail address.")},
    )


class WaysForm(forms.Form):
    """How the site looks and behaves for one person. Empty: as their browser, or as the site."""

    theme = forms.ChoiceField(choices=Person.Theme, label=_("Appearance"))
    language = forms.ChoiceField(
        required=False, choices=[("", _("As the browser")), *settings.LANGUAGES], label=_("Language")
    )
    send_key = forms.ChoiceField(choices=Person.SendKey, label=_("A message is sent by"))
    titles = forms.ChoiceField(
        required=False,
        label=_("Conversations are named by"),
        help_text=_("A model costs some hundred tokens each. A name that you give stays."),
    )

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        as_the_site = format_lazy(_("as the site does: {titles}"), titles=Person.Titles(settings.TITLES).label)
        self.fields["titles"].choices = [("", as_the_site), *Person.Titles.choices]
        for field in self.fields.values():
            field.widget.attrs["class"] = "in"
