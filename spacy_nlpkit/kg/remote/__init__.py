"""Graphs behind a web service: opt-in, bounded in time, cached, and never a reason for the pipeline to fail."""
