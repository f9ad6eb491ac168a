"""The budgets of the service, measured against their baselines: ``python -m benchmarks`` or ``make bench``.

Each row of the table is measured in rounds. A round measures the service and its baseline one right after the
other, on the same local stack. The order alternates from round to round, so that other load on the machine affects
both alike. The row's result is the round with the median ratio; ``--json`` has all rounds. ``--quick`` is a look of
less than a minute. ``--readme`` writes a result into the READMEs.

rows           what is measured, and the budgets
throughput     documents per second, against bare loops, and the CPU time of each service
response_time  time of a response, against an endpoint that only reads the same rows
signing        CPU time of a link
memory         the worker's memory, without a baseline
large_process  ten thousand documents in one process: what each costs, and the history
scale          a large catalog against a small one; scale_probes has the questions, catalog_rows the rows
measurement    figures, rounds, ratios, budgets
bench          a local stack and what benchmarks do with it
loop, rows_only    the baselines, each a program of its own
report         the JSON and the table; report_words its languages, readme the READMEs

Commands of their own: ``batch`` (a single request during a batch of a thousand), ``watchers`` (a thousand status
streams of one run, with more figures than the row), ``simulator`` (requests per second of the simulated court
itself), ``traces`` (what traces cost), ``sizing`` (what a load needs).
"""
