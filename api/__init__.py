"""The REST interface.

app         wiring: what stands on what             downloads   answer from the catalog, or start a run
processes   the routes of a process                 runs        starting, finding and telling runs in Temporal
health      is it alive, is it ready                problems    every error as problem+json
answers     bodies, with links signed anew          schemas     the same bodies for OpenAPI
access      who may ask                             parameters  what a request may say
body_limit  how much a request may carry            request_ids an id for every request
"""
