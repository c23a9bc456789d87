"""The storage in memory of regress/check, in this process: that it can be
made to do what a test wants."""

import importlib.util
import os
import threading

HERE = os.path.dirname(os.path.abspath(__file__))


def load():
    """A fresh one; this folder has another one of that name"""
    spec = importlib.util.spec_from_file_location(
        'played_backend', os.path.join(HERE, '..', 'check', 'backend.py'))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def serve(test, server):
    """Until the test ends"""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    test.addCleanup(server.server_close)
    test.addCleanup(server.shutdown)
    return server
