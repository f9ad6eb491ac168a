"""The court: the PDPJ portal's API, over httpx2.

client          listings and documents                  http            one request: token, timeouts, redirects
diagnosis       whose failure it is                     health_check    does the court work at all?
error_mapping   error responses to domain errors        urls            the portal's URLs; where the token may go
listing         the portal's JSON to a `Listing`        shapes          the shapes in which the JSON comes
merging         one document from several sources       secrecy         `nivelSigilo` to a secrecy level
values          dates, numbers and texts                text_payload    a document's text, out of its JSON
bodies          response bodies, decompressed in bounds bounded_json    JSON, parsed in bounds
tokens          the source of bearer tokens             token_refresh   their renewal
rate_limiter    what each request waits for             connection_errors   texts for no whole answer
"""

from adapters.court_pdpj.client import PdpjClient
from adapters.court_pdpj.token_refresh import TokenRefreshClient
from adapters.court_pdpj.tokens import TokenSource

__all__ = ["PdpjClient", "TokenRefreshClient", "TokenSource"]
