"""The page for people: one field for a process number, and what became of its documents.

    routes      the pages, and what the script and the styles are served from
    actions     what the buttons do
    sign_in     signing in with an API key, and out
    session     the cookie that stands for the key, and who may send it
    view        what a page of a process shows
    reference   the page for developers, made from the API's description
    rendering   templates to answers; problems become pages
    texts       every word, in English and Portuguese
    formats     numbers, sizes and dates as each language writes them

The pages are made on the server and work without their script, which only keeps a page up to date while a run is
open. Nothing is fetched from any other host.
"""

from __future__ import annotations

from api.pages.routes import router

__all__ = ["router"]
