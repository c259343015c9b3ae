"""The user's own machine, or cluster, against the peers that are installed.

`cases` says what is measured, `contestants` who takes part, `contest` runs the
rounds, `figures` makes a table of them, `page` writes it. Each contestant has
a process of its own (`worker`), so that its peak of memory is its own.
"""
