"""Runs a drill: inject the fault, act, assert what the runbook promises, recover, keep evidence."""
