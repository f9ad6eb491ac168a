"""The web page: one field for a process number, and the documents of a process.

    routes      the pages, and the script and styles
    actions     what the buttons do
    sign_in     signing in with an API key, and out
    session     the session cookie, and the CSRF checks
    view        the view models of the pages
    reference   the API reference, rendered from the OpenAPI description
    rendering   renders templates; problems become pages
    texts       all texts, in English and Portuguese
    formats     numbers, sizes and dates in each language

The pages are rendered on the server and work without their script, which only refreshes a page while a run is open.
Nothing is loaded from another host.
"""
