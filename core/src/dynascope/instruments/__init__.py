"""Instruments that any model has: the core's own plug-in ``general``, loaded and used like a stranger's.

They read what every family can state (weights, logits, row facts, a few common sites), and nothing of a task.
"""
