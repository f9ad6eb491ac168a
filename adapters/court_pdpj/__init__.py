"""The court: the PDPJ portal's API, over httpx.

addresses   where a document is, given its href        listing   from the portal's JSON to our words
answers     what a failed answer means                  client    the requests themselves
"""

from adapters.court_pdpj.client import PdpjCourt

__all__ = ["PdpjCourt"]
