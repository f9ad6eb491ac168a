"""The web page: one field for process numbers, and the documents of a process.

    home            the field, the numbers found in pasted text, the latest processes
    routes          a process, and the script and styles
    document_list   the search in its documents, and a page of them
    timeline        its movements and documents by days
    news            what is new in it since the last visit
    visits          the cookie that remembers what a person has seen
    archive         all of its documents as one ZIP
    actions         what the buttons do
    sign_in         signing in with an API key, and out
    session         the session cookie, and the CSRF checks
    view            the view models of the pages
    reference       the API reference, rendered from the OpenAPI description
    rendering       renders templates; problems become pages
    texts           the languages; texts_english and texts_portuguese have the texts
    formats         numbers, sizes and dates in each language

The pages are rendered on the server and work without their script, which only refreshes a page while a run is open.
Nothing is loaded from another host.
"""
