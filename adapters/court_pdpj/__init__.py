"""The court: the PDPJ portal's API, over httpx.

addresses   where a document is, given its href        listing         from the portal's JSON to our words
answers     what a failed answer means                  health_check    whether it is the court that fails
portal      one request: token, time-outs, answer       texts           the court's text of a document, unwrapped
tokens      where tokens come from                      sign_in         how they are renewed
client      listings and documents                      bodies          answers, unpacked within bounds
pace        what each request waits for                 bounded_json    JSON, parsed within bounds
"""

from adapters.court_pdpj.client import PdpjCourt
from adapters.court_pdpj.sign_in import SignIn
from adapters.court_pdpj.tokens import Tokens

__all__ = ["PdpjCourt", "SignIn", "Tokens"]
