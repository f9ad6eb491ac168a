"""The domain: process numbers, documents, failures, messages. No I/O.

Standard library only. Every other package may import from here. This package imports nothing else of the project.
"""
