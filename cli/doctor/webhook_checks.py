"""The check of the way that webhooks take out of this machine."""

from __future__ import annotations

from urllib.parse import urlsplit

from adapters.webhooks import AddressGuard, WebhookSender
from adapters.webhooks.address_guard import NonPublicAddress
from cli.doctor.findings import CheckName, Fault, Finding, failed, ok, skipped
from cli.doctor.parts import Parts
from domain.errors import ConfigurationError, InvalidInput

_ALLOW = (
    "Use a public https address. For receivers in your own network, AUTOS_WEBHOOK_ALLOW_PRIVATE=true and "
    "AUTOS_WEBHOOK_ALLOW_HTTP=true allow others."
)


async def check_webhooks(parts: Parts) -> Finding:
    """Reach a receiver's server over the way of events: address guard, proxy, DNS and TLS. No event is sent."""
    settings = parts.settings
    try:
        url = parts.webhook_url or settings.alert_url
    except ConfigurationError as error:
        return failed(str(error), _ALLOW, Fault.SETTING)
    if url is None:
        return skipped("There is no address to try: give --webhook-url, or set AUTOS_ALERT_WEBHOOK_URL.")
    if settings.webhook_secret is None:
        return skipped("AUTOS_WEBHOOK_SECRET is not set: see settings.")
    proxy = settings.webhook_proxy_url.get_secret_value() if settings.webhook_proxy_url else None
    has_keys = parts.catalog.clients.has_keys if parts.is_usable(CheckName.SCHEMA) else None
    guard = AddressGuard(settings.webhook_policy, proxied=proxy is not None, has_keys=has_keys)
    parts.stack.callback(guard.close)
    sender = WebhookSender(settings.webhook_secret.get_secret_value(), guard, proxy_url=proxy)
    parts.stack.push_async_callback(sender.close)
    try:
        await guard.check(url)
    except InvalidInput as error:
        return failed(str(error), _ALLOW, Fault.SETTING)
    host = urlsplit(url).hostname or ""
    if proxy is None:
        default_port = 443 if urlsplit(url).scheme.lower() == "https" else 80
        problem = await _find_name_problem(guard, host, urlsplit(url).port or default_port)
        if problem is not None:
            return problem
    reply = await sender.ask_origin(url)
    through = "through the proxy" if proxy else "directly"
    if reply.status_code is None:
        return failed(
            f"{host} cannot be reached {through} ({reply.error}).",
            "Open this machine's way out to it (firewall, AUTOS_WEBHOOK_PROXY_URL), and check the receiver's TLS "
            "certificate. SSL_CERT_FILE names the authorities to trust, if one of them is your own.",
        )
    return ok(f"{host} answers {through} (HTTP {reply.status_code} for its root). No event was sent.")


async def _find_name_problem(guard: AddressGuard, host: str, port: int) -> Finding | None:
    try:
        await guard.resolve(host, port)
    except NonPublicAddress:
        return failed(f"{host} leads to an address that is not public, or to this service.", _ALLOW, Fault.SETTING)
    except (OSError, ValueError):
        return failed(
            f"The name {host} cannot be resolved on this machine.",
            "Check the address and this machine's DNS. If only a proxy can, set AUTOS_WEBHOOK_PROXY_URL.",
        )
    return None
