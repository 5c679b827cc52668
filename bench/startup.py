"""How long until the program says something: its start-up beside the interpreter's and beside a hello-world of typer's.

`python bench/startup.py`, with the interpreter in whose environment lgtm-deploy is installed. Exit 1 when a ratio
misses its target.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

ROUNDS = 20
TOOL = str(Path(sys.executable).parent / "lgtm-deploy")
HELLO = '''
import typer

app = typer.Typer()


@app.command()
def hello(name: str) -> None:
    """Says hello."""
    typer.echo(f"Hello {name}")


if __name__ == "__main__":
    app()
'''
TARGETS = (("--version", "python", 2.5), ("--help", "typer", 1.3))


def seconds(command: Sequence[str]) -> float:
    """How long the command takes, in seconds."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def medians(commands: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """The median time of each, taken in turns: a busy machine is as hard on all. A first round is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(ROUNDS + 1):
        for name, command in commands.items():
            found = seconds(command)
            if turn:
                taken[name].append(found)
    return {name: median(times) for name, times in taken.items()}


def main() -> int:
    """Measures, prints a table, and says whether the targets are met."""
    with tempfile.TemporaryDirectory() as folder:
        hello = Path(folder) / "hello.py"
        hello.write_text(HELLO)
        found = medians(
            {
                "python": [sys.executable, "-c", "pass"],
                "typer": [sys.executable, str(hello), "--help"],
                "--version": [TOOL, "--version"],
                "--help": [TOOL, "--help"],
            }
        )
    print(f"{'':28}{'ms':>7}{'ratio':>8}{'target':>8}")
    print(f"{'python -c pass':28}{found['python'] * 1000:>7.0f}")
    print(f"{'hello-world typer --help':28}{found['typer'] * 1000:>7.0f}")
    missed = False
    for option, beside, target in TARGETS:
        ratio = found[option] / found[beside]
        missed = missed or ratio > target
        print(f"{f'lgtm-deploy {option}':28}{found[option] * 1000:>7.0f}{ratio:>8.2f}{target:>8.1f}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
