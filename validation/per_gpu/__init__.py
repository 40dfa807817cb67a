"""The cluster GPU by GPU: batches, mode switches, real lengths, every request (10.1(d'))."""
