# SPDX-License-Identifier: BSD-3-Clause
"""The ferrule command, run in the folder of a daemon (see daemon.py)."""

import json
import subprocess
import threading


class Cli:
    def __init__(self, program, folder):
        self._program = program
        self._folder = folder

    def run(self, *words, document=None, indent=None):
        """Exit status, standard output, standard error."""
        if document is not None:
            (self._folder / "doc.json").write_text(json.dumps(document, indent=indent), encoding="utf-8")
            words = (*words, "-f", "doc.json")
        done = subprocess.run(
            [self._program, "-s", "run/control.sock", *words], cwd=self._folder, timeout=60,
            capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        return done.returncode, done.stdout, done.stderr

    def json(self, *words):
        status, out, err = self.run("--json", *words)
        if status != 0:
            raise ValueError(f"{' '.join(words)}: {status}, {err}")
        return json.loads(out)

    def states(self):
        return {sa["name"]: sa["state"] for sa in self.json("sa", "list")}


class Watcher:
    """What `ferrule watch` prints, an object a line, until the end of a "with" block."""

    def __init__(self, program, folder):
        self._command = [program, "-s", "run/control.sock", "--json", "watch"]
        self._folder = folder
        self.events = []

    def __enter__(self):
        self._process = subprocess.Popen(self._command, cwd=self._folder, stdout=subprocess.PIPE,
                                         stdin=subprocess.DEVNULL, text=True)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()
        self._thread.join()
        self._process.stdout.close()

    def _read(self):
        for line in self._process.stdout:
            self.events.append(json.loads(line))

    def of(self, kind):
        return [event for event in list(self.events) if event.get("event") == kind]
