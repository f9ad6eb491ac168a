"""The budgets of the service, measured against their baselines: ``python -m benchmarks [--json] [--only NAME…]``.

Each row of the table is measured in rounds. A round measures the service and its baseline one right after the
other, on the same local stack. The order alternates from round to round, so that other load on the machine affects
both alike. The row's result is the round with the median ratio; ``--json`` has all rounds.

rows           what is measured, and the budgets
throughput     documents per second, against bare loops
response_time  time of a response, against an endpoint that only reads the same rows
memory         the worker's memory, without a baseline
measurement    figures, rounds, ratios, budgets
bench          a local stack and what benchmarks do with it
loop, rows_only    the baselines, each a program of its own
report         the table and the JSON

Commands of their own, not in the table: ``batch`` (a single request during a batch of a thousand), ``watchers`` (a
thousand status streams of one run), ``simulator`` (requests per second of the simulated court itself).
"""
