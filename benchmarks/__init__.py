"""The budgets of the service, measured against their baselines: ``python -m benchmarks [--json] [--only NAME…]``.

Each row of the table is measured in rounds. A round measures ours and its baseline one right after the other, on
the same local stack, and rounds take turns at who is first, so that what else the machine does hits both alike.
The round whose ratio is the median speaks for the row; ``--json`` has them all.

rows         what is measured, and the budgets       throughput   ours against bare loops
measurement  rounds, ratios, budgets                 answers      ours against an endpoint that only reads rows
memory       the worker's memory, without a baseline
bench        the stack, and what is done with it     loop, rows_only   the baselines, each a process of its own
report       the table and the JSON

Apart from the table, each a command of its own: ``batch`` (a single request during a batch of a thousand),
``watchers`` (a thousand who watch one run), ``simulator`` (what the simulated court itself can answer).
"""
