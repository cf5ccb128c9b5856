"""Programs for Node.js, with the packages of clients/package.json.

They are where PEAL_NODE_MODULES says, or in node_modules of the current folder; ./check
installs them.  A case that needs them is skipped without.
"""

import os
import shutil
import subprocess

from harness import HERE, LIMIT, Failed, Skipped

MODULES = os.path.abspath(os.environ.get("PEAL_NODE_MODULES") or "node_modules")


def command(script, *words):
    """The words to run clients/SCRIPT with, and the environment it needs."""
    program = shutil.which("node")
    if not program:
        raise Skipped("Node.js is not installed")
    if not os.path.isdir(os.path.join(MODULES, "playwright-core")):
        raise Skipped("no packages for Node.js in %s" % MODULES)
    env = dict(os.environ, NODE_PATH=MODULES)
    return [program, os.path.join(HERE, "clients", script), *words], env


def node(place, script, *words):
    """Run a script to its end; returns what it has printed."""
    argv, env = command(script, *words)
    try:
        done = subprocess.run(argv, env=env, cwd=place.folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              universal_newlines=True, timeout=LIMIT * 2)
    except subprocess.TimeoutExpired:
        raise Failed("%s does not end" % script) from None
    if done.stderr and not done.stdout:
        raise Failed("%s: %s" % (script, done.stderr[-600:]))
    return done.stdout
