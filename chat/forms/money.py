"""What administrators type about money: prices, budgets, grants, groups; and what is said when it does not fit."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chat.calendar import is_ours
from chat.forms.fields import AmountField
from chat.models import Account, Budget, Group, LanguageModel, Person, Price
from chat.models.budget import TOKENS
from chat.models.money import FREE, check_currency
from chat.models.price import NO_PRICE, TOO_DEAR

MTOK = 6  # a token is 10⁻⁶ of what a budget of tokens counts in
MOST_MONEY = Decimal(10**9)
MOST_TOKENS = 10**15
PLACES = _("Money has at most nine decimal places here.")
TOO_MUCH = _("That is more than can be counted here.")
PRICE_ERRORS = {
    "invalid": NO_PRICE,
    "max_decimal_places": PLACES,
    "max_digits": TOO_DEAR,
    "max_whole_digits": TOO_DEAR,
    "required": NO_PRICE,
}


def unit_of(written: str) -> str:
    """A currency's code, or tokens. Raises ValidationError."""
    unit = written.strip()
    if unit.lower() == TOKENS:
        return TOKENS
    check_currency(unit.upper())
    return unit.upper()


class PriceForm(forms.ModelForm):
    """A new price of one model. Those that there are stay as they were."""

    free = forms.BooleanField(required=False)
    day = forms.DateField(required=False, error_messages={"invalid": _("Write the day as 2026-11-20.")})

    class Meta:
        model = Price
        fields = ["currency", "input_mtok", "output_mtok", "cached_mtok", "reasoning_mtok"]
        field_classes = dict.fromkeys(["input_mtok", "output_mtok", "cached_mtok", "reasoning_mtok"], AmountField)
        error_messages = {
            "currency": {
                "required": _("Which currency is it? Use a code of ISO 4217, such as EUR, USD or CNY."),
                "max_length": _("A currency has three letters, such as EUR, USD or CNY."),
            },
            **dict.fromkeys(["input_mtok", "output_mtok", "cached_mtok", "reasoning_mtok"], PRICE_ERRORS),
        }

    def __init__(self, data=None, *, model: LanguageModel) -> None:
        data = data.copy() if data is not None else None
        if data and data.get("free"):
            data.update({"currency": FREE, "input_mtok": "0", "output_mtok": "0"})
            data["cached_mtok"] = data["reasoning_mtok"] = ""
        if data:
            data["currency"] = data.get("currency", "").strip().upper()
        super().__init__(data, instance=Price(model=model))

    def clean_day(self) -> date | None:
        """Empty, or today: from this moment on."""
        day = self.cleaned_data["day"]
        if day and day < timezone.localdate():
            raise ValidationError(_("What has been asked for keeps its price: a new one begins today, or later."))
        return day

    def clean(self) -> dict:
        fields = super().clean()
        day = fields.get("day")
        later = day is not None and day > timezone.localdate()
        self.instance.valid_from = timezone.make_aware(datetime.combine(day, time())) if later else timezone.now()
        return fields

    def _get_validation_exclusions(self) -> set[str]:
        """The moment is checked, too, though it is typed as a day."""
        return super()._get_validation_exclusions() - {"valid_from", "model"}


class LimitsForm(forms.Form):
    """A budget's limits, in its unit: tokens are typed as tokens."""

    soft = AmountField(required=False, max_digits=30, decimal_places=9)
    hard = AmountField(required=False, max_digits=30, decimal_places=9)

    def __init__(self, *args, unit: str = "", **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.unit = unit
        for name in ("soft", "hard"):
            self.fields[name].error_messages |= dict.fromkeys(
                ("invalid", "max_digits"), _("A limit is a number above 0, such as 25.")
            )
            self.fields[name].error_messages["max_decimal_places"] = PLACES
            self.fields[name].error_messages["max_whole_digits"] = TOO_MUCH

    def clean(self) -> dict:
        fields = super().clean()
        unit = fields.get("unit", self.unit)
        for name in ("soft", "hard"):
            if (limit := fields.get(name)) is not None:
                self._check(name, limit, unit)
                fields[name] = limit.scaleb(-MTOK) if unit == TOKENS else limit
        if fields.get("soft") is None and fields.get("hard") is None and not self.errors:
            raise ValidationError(_("A budget needs a limit: one that warns, one that refuses, or both."))
        if fields.get("soft") is not None and fields.get("hard") is not None and fields["soft"] > fields["hard"]:
            self.add_error("soft", _("It would warn only after it refuses: the first limit must be the lower one."))
        return fields

    def _check(self, name: str, limit: Decimal, unit: str) -> None:
        if limit <= 0:
            self.add_error(name, _("A limit is a number above 0, such as 25."))
        elif unit == TOKENS and _has_places(limit):
            self.add_error(name, _("Tokens are counted whole."))
        elif limit > (MOST_TOKENS if unit == TOKENS else MOST_MONEY):
            self.add_error(name, TOO_MUCH)


class BudgetForm(LimitsForm):
    """A new budget. `whose` is everybody, a group or a person."""

    whose = forms.ChoiceField(error_messages={"invalid_choice": _("Choose whose budget it is.")})
    period = forms.ChoiceField(
        choices=Budget.Period.choices,
        error_messages=dict.fromkeys(("required", "invalid_choice"), _("Choose how often it begins anew.")),
    )
    unit = forms.CharField(error_messages={"required": _("Which currency is it in? Or does it count tokens?")})

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["whose"].choices = self.owners = owners()

    def clean_unit(self) -> str:
        return unit_of(self.cleaned_data["unit"])

    def clean(self) -> dict:
        fields = super().clean()
        if not self.errors:
            self.budget = self._made(fields)
            self.budget.validate_constraints()
        return fields

    def _made(self, fields: dict) -> Budget:
        kind, _colon, pk = fields["whose"].partition(":")
        return Budget(
            account=Account.of(Person.objects.get(pk=pk)) if kind == "person" else None,
            group=Group.objects.get(pk=pk) if kind == "group" else None,
            begins=timezone.localdate(),
            **{name: fields.get(name) for name in ("period", "unit", "soft", "hard")},
        )


def owners() -> list[tuple[str, str]]:
    groups = [(f"group:{group.pk}", str(group)) for group in Group.objects.all()]
    people = Person.objects.filter(is_active=True).order_by("username").values_list("pk", "username")
    return [("everybody", str(_("everybody"))), *groups, *((f"person:{pk}", name) for pk, name in people)]


class GrantForm(forms.Form):
    """More, until the end of a day."""

    amount = AmountField(
        max_digits=30,
        decimal_places=9,
        error_messages={
            "required": _("How much more?"),
            "max_decimal_places": PLACES,
            **dict.fromkeys(("invalid", "max_digits", "max_whole_digits"), _("It is a number above 0, such as 10.")),
        },
        validators=[MaxValueValidator(MOST_TOKENS, TOO_MUCH)],
    )
    day = forms.DateField(
        error_messages={"required": _("Until which day?"), "invalid": _("Write the day as 2026-11-20.")}
    )
    note = forms.CharField(required=False, max_length=200)

    def __init__(self, *args, unit: str = "", **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.unit = unit

    def clean_amount(self) -> Decimal:
        amount = self.cleaned_data["amount"]
        if amount <= 0:
            raise ValidationError(self.fields["amount"].error_messages["invalid"])
        if self.unit != TOKENS:
            if amount > MOST_MONEY:
                raise ValidationError(TOO_MUCH)
            return amount
        if _has_places(amount):
            raise ValidationError(_("Tokens are counted whole."))
        return amount.scaleb(-MTOK)

    def clean_day(self) -> date:
        if self.cleaned_data["day"] < timezone.localdate():
            raise ValidationError(_("That day is over."))
        if not is_ours(self.cleaned_data["day"]):
            raise ValidationError(_("That day is too far away."))
        return self.cleaned_data["day"]

    @property
    def until(self) -> datetime:
        """The midnight that ends the day."""
        return timezone.make_aware(datetime.combine(self.cleaned_data["day"] + timedelta(days=1), time()))


class GroupForm(forms.ModelForm):
    class Meta:
        model = Group
        fields = ["name"]
        error_messages = {
            "name": {
                "required": _("A group needs a name."),
                "unique": _("Another group has this name."),
                "max_length": _("A name can have %(limit_value)d characters; this one has %(show_value)d."),
            }
        }


def _has_places(tokens: Decimal) -> bool:
    """Also where all of them are 0: 200.000 may be meant as a thousand times that."""
    return Decimal(tokens).as_tuple().exponent < 0
