"""Deterministic code that Temporal replays. Imports nothing that does I/O.

download_process   the main job                    options            queues, timeouts, retries
deliver_webhook    telling one subscriber          search_attributes  what operators search by
"""
