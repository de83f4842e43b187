"""Sets prices: one by hand, or those that a provider lists. Each leaves its line in the audit."""

from collections.abc import Iterable
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from chat.models import AuditEntry, LanguageModel, Person, Price, Provider
from chat.models.money import nearest
from chat.upstream.contract import ListedModel


def add(by: Person | None, price: Price) -> None:
    """Of a price that is valid: it has been cleaned."""
    with transaction.atomic():
        before = Price.current([price.model], price.valid_from).get(price.model_id)
        price.save()
        AuditEntry.record(by, "price added", price, before=before.figures if before else None, after=price.figures)


def from_listed(model: LanguageModel, listed: ListedModel, now: datetime) -> Price | None:
    """The price that a list gives; None where it gives none, or one that cannot be."""
    if listed.input_mtok is None or listed.output_mtok is None or listed.currency is None:
        return None
    price = Price(
        model=model,
        valid_from=now,
        currency=listed.currency,
        input_mtok=nearest(listed.input_mtok),
        output_mtok=nearest(listed.output_mtok),
        cached_mtok=nearest(listed.cached_mtok),
        origin=Price.Origin.LISTED,
    )
    try:
        price.clean_fields(exclude=["model"])
    except ValidationError:
        return None
    return price


def take_listed(by: Person | None, provider: Provider, listed: list[ListedModel]) -> int:
    """Of the provider's models, each listed price that differs from the one that holds; how many did."""
    models, now = {model.name: model for model in provider.models.all()}, timezone.now()
    current, taken = Price.current(models.values(), now), 0
    with transaction.atomic():
        for one in listed:
            if (model := models.get(one.id)) and (price := from_listed(model, one, now)):
                held = current.get(model.pk)
                if held is None or _costs(held) != _costs(price):
                    add(by, price)
                    taken += 1
    return taken


def price_new(
    by: Person | None, provider: Provider, models: list[LanguageModel], listed: Iterable[ListedModel]
) -> None:
    """The first prices of models that have just been listed: one line in the audit for all of them."""
    by_name, now = {one.id: one for one in listed}, timezone.now()
    found = [from_listed(model, by_name[model.name], now) for model in models if model.name in by_name]
    if prices := [price for price in found if price]:
        Price.objects.bulk_create(prices)
        AuditEntry.record(by, "listed prices taken", provider, after={"prices": len(prices)})


def _costs(price: Price) -> tuple:
    return tuple(figure for name, figure in price.figures.items() if name != "valid_from")
