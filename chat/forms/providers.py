"""What administrators may set of providers and their models, and what is said when it does not fit."""

from django import forms
from django.core.validators import MinValueValidator
from django.utils.translation import gettext_lazy as _

from chat.models import LanguageModel, Provider
from chat.models.language_model import server_of
from chat.upstream.payloads import name_in
from chat.upstream.profiles import PROFILES
from chat.upstream.templates import TEMPLATES

LEAST_GRACE = 5  # seconds; less would be a reload
CONNECTABLE = [name for name in PROFILES if name != "demo"]


class ProviderForm(forms.ModelForm):
    """The key goes in and never comes out: the field is always shown empty."""

    key = forms.CharField(
        required=False,
        max_length=2000,
        error_messages={"max_length": _("No key is longer than %(limit_value)d characters.")},
    )

    class Meta:
        model = Provider
        fields = ["name", "base_url", "local", "max_streams"]
        error_messages = {
            "name": {
                "required": _("A provider needs a name."),
                "unique": _("Another provider has this name."),
                "max_length": _("A name can have %(limit_value)d characters; this one has %(show_value)d."),
            },
            "base_url": {"required": _("Where does it listen? Its base URL is missing.")},
            "max_streams": dict.fromkeys(
                ("invalid", "min_value", "max_value"), _("A whole number from 1, or nothing.")
            ),
        }

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["max_streams"].min_value = 1
        self.fields["max_streams"].validators.append(MinValueValidator(1, _("A whole number from 1, or nothing.")))

    @property
    def complaints(self) -> list[str]:
        return [sentence for sentences in self.errors.values() for sentence in sentences]

    def clean_key(self) -> str:
        key = self.cleaned_data["key"].strip()
        if not (key.isascii() and key.isprintable()):
            raise forms.ValidationError(_("The key contains characters that no key has. Paste it again."))
        return key


class NewProviderForm(ProviderForm):
    """What is left empty is the profile's own."""

    models = forms.CharField(required=False, max_length=2000)

    class Meta(ProviderForm.Meta):
        fields = ["profile", *ProviderForm.Meta.fields]
        error_messages = ProviderForm.Meta.error_messages | {
            "profile": {"required": _("Choose who serves the models.")}
        }

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].required = self.fields["base_url"].required = False

    def clean(self) -> dict:
        fields = super().clean()
        if profile := fields.get("profile"):
            if "base_url" in fields:
                fields["base_url"] = fields["base_url"].strip() or PROFILES[profile].base_url
            if not fields.get("base_url") and "base_url" not in self.errors:
                self.add_error("base_url", self.fields["base_url"].error_messages["required"])
        return fields

    def clean_profile(self) -> str:
        if (profile := self.cleaned_data["profile"]) not in CONNECTABLE:
            raise forms.ValidationError(_("Choose who serves the models."))
        return profile

    def clean_models(self) -> list[str]:
        """Names with commas or spaces between them; models' names have neither."""
        names = self.cleaned_data["models"].replace(",", " ").split()
        if not all(map(name_in, names)):
            raise forms.ValidationError(_("A model’s name has at most 200 characters, all of them visible."))
        return names


class KeptProviderForm(ProviderForm):
    forget_key = forms.BooleanField(required=False)

    class Meta(ProviderForm.Meta):
        fields = [*ProviderForm.Meta.fields, "enabled"]

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.server = server_of(self.instance.base_url)

    def clean(self) -> dict:
        """A kept key is for one server: whoever could send it elsewhere could read it there."""
        fields = super().clean()
        moved = "base_url" in fields and server_of(fields["base_url"]) != self.server
        if moved and self.instance.sealed_key and not fields.get("key") and not fields["forget_key"]:
            self.add_error("key", _("The key was pasted for another server. Paste the new server’s key."))
        return fields


class LanguageModelForm(forms.ModelForm):
    class Meta:
        model = LanguageModel
        fields = ["context_length", "max_output", "grace_seconds", "streamed", "sees", "template"]
        error_messages = {
            "max_output": {"required": _("An answer needs a limit.")},
        }

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["template"] = forms.ChoiceField(required=False, choices=template_choices)
        self.fields["sees"] = forms.BooleanField(required=False)
        self.initial["sees"] = self.instance.can_see
        for name in ("context_length", "max_output"):
            self.fields[name].validators.append(MinValueValidator(1, _("A whole number from 1.")))

    def clean_sees(self) -> bool | None:
        """What its name or its provider says already need not be said."""
        sees = self.cleaned_data["sees"]
        return self.instance.sees if sees == self.instance.can_see else sees

    def clean_grace_seconds(self) -> int | None:
        grace = self.cleaned_data["grace_seconds"]
        if grace is not None and grace < LEAST_GRACE:
            raise forms.ValidationError(_("At least 5 seconds: loading a page again is not leaving."))
        return grace


def template_choices() -> list[tuple[str, str]]:
    return [("", _("by the model’s name")), *((name, template.label) for name, template in TEMPLATES.items())]
