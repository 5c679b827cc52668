"""Engines in environments of their own, each installed when it is first asked for."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
# uv brings certificates of its own; behind a proxy only the system's will do.
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_INSTALL_SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class Peer:
    """`command` runs one graph: the graph's file, a folder and how are still to be added."""

    name: str
    command: tuple[str, ...]


def ours() -> Peer:
    """lgtm-deploy itself."""
    return Peer(name="lgtm-deploy", command=(sys.executable, "-m", "bench.engine.ours"))


def here(name: str, script: str) -> Peer:
    """What needs nothing but this interpreter."""
    return Peer(name=name, command=(sys.executable, str(PEERS / script)))


def installed(name: str, home: Path, *packages: str) -> Peer:
    """The first of these packages, run by the script of that name. Raises OSError and SubprocessError."""
    version = packages[0].replace("==", " ")
    folder = home / version.replace(" ", "-")
    python = folder / "bin" / "python"
    complete = folder / "complete"
    if not complete.exists():
        print(f"installing {version}", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}") or "uv"
        _run(uv, "venv", "--quiet", "--no-config", "--python", sys.executable, str(folder))
        _run(uv, "pip", "install", "--quiet", "--no-config", "--python", str(python), *packages)
        complete.touch()
    return Peer(name=version, command=(str(python), str(PEERS / f"{name}_run.py")))


def _run(*words: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    if _CERTIFICATES.is_file():
        environment.setdefault("SSL_CERT_FILE", str(_CERTIFICATES))
    subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, check=True, timeout=_INSTALL_SECONDS)
