"""The servers: what each is installed from, how it is started, and what it cannot do."""

import os
import shutil
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from tests.site import ROOT, free_port

HERE = Path(__file__).parent
REAL = ROOT / "var" / "real"
LLAMA_CPP_PYTHON = "llama-cpp-python[server]==0.3.36"  # its source holds llama.cpp's
MOCKED = "one two three four five six seven eight nine ten"
MISSING, KEY = "no-such-model", "sk-real-0123456789"


class CannotBeHad(Exception):
    """It could not be installed or started; says why."""


@dataclass
class RealServer:
    """`model` says the alphabet; `counted`, if there is another, says `answer`, and is counted and priced.

    `typed`: its list names no model. `too_long`: how a prompt ends that is. `cannot`: by deed, why it is not tried.
    """

    name: str
    label: str
    profile: str
    model: str = "alphabet"
    counted: str = ""
    answer: str = "123456789"
    typed: bool = False
    key: str = ""
    max_streams: int | None = None
    too_long: tuple[str, str] = ("failed", "context_too_long")
    cannot: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    processes: list[subprocess.Popen] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def install(self) -> None:
        raise NotImplementedError

    def start(self, folder: Path) -> None:
        raise NotImplementedError

    def run(self, command: list, log: Path, health: str, **environment: str) -> None:
        """Starts a process and waits until its address answers."""
        quiet = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
        with open(log, "w") as output:
            self.processes.append(
                subprocess.Popen(
                    [str(part) for part in command],
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **quiet, **environment},
                )
            )
        deadline = time.monotonic() + 120
        while not answers(health):
            if time.monotonic() > deadline or self.processes[-1].poll() is not None:
                raise CannotBeHad(f"does not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.2)

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self.processes.clear()

    def cpu_seconds(self) -> float:
        """Of all that it has started, until now."""
        running = [psutil.Process(process.pid) for process in self.processes if process.poll() is None]
        family = [member for process in running for member in (process, *process.children(recursive=True))]
        return sum(sum(member.cpu_times()[:2]) for member in family)


class LlamaCpp(RealServer):
    """llama.cpp's own server, built from the source that its Python package holds."""

    def install(self) -> None:
        build_llama_cpp()

    def start(self, folder: Path) -> None:
        self.run(llama_server(folder, self.port, self.key), folder / "llama.cpp.log", f"{self.base_url[:-3]}/health")


class LlamaCppPython(RealServer):
    def install(self) -> None:
        build_llama_cpp()

    def start(self, folder: Path) -> None:
        command = [python("llama-cpp-python"), "-m", "llama_cpp.server", "--model", gguf(folder), "--n_ctx", "16384"]
        command += ["--n_threads", "1", "--port", self.port, "--model_alias", self.model, "--api_key", self.key]
        library = str(REAL / "llama.cpp" / "build" / "bin")
        self.run(command, folder / "llama-cpp-python.log", f"{self.base_url}/models", LLAMA_CPP_LIB_PATH=library)


class LiteLLM(RealServer):
    """In front of llama.cpp, so that there is something to stop; its mocked answers are counted and priced."""

    def install(self) -> None:
        build_llama_cpp()
        environment("litellm", "litellm[proxy]>=1.106,<1.108")

    def start(self, folder: Path) -> None:
        behind = free_port()
        self.run(llama_server(folder, behind, ""), folder / "behind.log", f"http://127.0.0.1:{behind}/health")
        settings = folder / "litellm.yaml"
        template = (HERE / "litellm.yaml").read_text()
        settings.write_text(template.replace("BEHIND", str(behind)).replace("KEY", self.key))
        command = [REAL / "litellm" / "bin" / "litellm", "--config", settings]
        command += ["--host", "127.0.0.1", "--port", self.port]
        health = f"{self.base_url[:-3]}/health/liveliness"
        self.run(command, folder / "litellm.log", health, LITELLM_LOCAL_MODEL_COST_MAP="True")


class Transformers(RealServer):
    def install(self) -> None:
        environment("transformers", "transformers[serving]==5.23.*", "torch==2.13.*")

    def start(self, folder: Path) -> None:
        self.model = str(folder / "alphabet")
        subprocess.run([python("transformers"), HERE / "transformers_model.py", self.model], check=True)
        command = [REAL / "transformers" / "bin" / "transformers", "serve", self.model, "--device", "cpu"]
        (folder / "cache").mkdir(exist_ok=True)
        health = f"{self.base_url[:-3]}/health"
        self.run([*command, "--port", self.port], folder / "transformers.log", health, HF_HOME=str(folder / "cache"))


def answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=2).status_code in (200, 401)
    except httpx.TransportError:
        return False


# Environments


def python(name: str) -> Path:
    return REAL / name / "bin" / "python"


def environment(name: str, *requirements: str, **variables: str) -> None:
    """Made once for these requirements, apart from the project's own."""
    made, wanted = REAL / name / "made-for", "\n".join(requirements)
    if made.exists() and made.read_text() == wanted:
        return
    run([sys.executable, "-m", "venv", REAL / name])
    run([python(name), "-m", "pip", "install", "--quiet", *requirements], **variables)
    made.write_text(wanted)


def build_llama_cpp() -> None:
    """Compiled once, for its own server and for the Python package, which would do it again."""
    environment("llama-cpp-python", LLAMA_CPP_PYTHON, "gguf", "cmake", CMAKE_ARGS="-DLLAMA_BUILD=OFF -DLLAVA_BUILD=OFF")
    folder = REAL / "llama.cpp"
    if (folder / "build" / "bin" / "llama-server").exists():
        return
    if not (shutil.which("c++") and shutil.which("cc")):
        raise CannotBeHad("llama.cpp is compiled, and there is no C++ compiler: install g++")
    download = ["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "-d", folder]
    run([python("llama-cpp-python"), *download, LLAMA_CPP_PYTHON.replace("[server]", "")])
    with tarfile.open(next(folder.glob("llama_cpp_python-*.tar.gz"))) as source:
        source.extractall(folder, filter="data")
    source = next(folder.glob("llama_cpp_python-*/vendor/llama.cpp"))
    cmake = REAL / "llama-cpp-python" / "bin" / "cmake"
    run([cmake, "-S", source, "-B", folder / "build", "-DCMAKE_BUILD_TYPE=Release", "-DLLAMA_OPENSSL=OFF", *NO_EXTRAS])
    run([cmake, "--build", folder / "build", "--target", "llama-server", "--parallel", "2"])


NO_EXTRAS = [f"-DLLAMA_{what}=OFF" for what in ("CURL", "BUILD_UI", "USE_PREBUILT_UI", "BUILD_TESTS", "BUILD_EXAMPLES")]


def run(command: list, **variables: str) -> None:
    REAL.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise CannotBeHad(f"{' '.join(map(str, command[:5]))} …:\n{done.stdout[-2000:]}")


def gguf(folder: Path) -> Path:
    path = folder / "alphabet.gguf"
    if not path.exists():
        run([python("llama-cpp-python"), HERE / "gguf_model.py", path])
    return path


def llama_server(folder: Path, port: int, key: str) -> list:
    command = [REAL / "llama.cpp" / "build" / "bin" / "llama-server", "-m", gguf(folder), "--alias", "alphabet"]
    command += ["--port", port, "-c", "32768", "--parallel", "2", "--threads", "1"]
    return [*command, "--api-key", key] if key else command


SERVERS: dict[str, RealServer] = {
    server.name: server
    for server in (
        LlamaCpp("llama.cpp", "llama.cpp", "llamacpp", key=KEY, cannot={"missing_model": "answers by any name"}),
        LlamaCppPython(
            "llama-cpp-python",
            "llama-cpp-python",
            "llamacpp_python",
            key=KEY,
            max_streams=1,
            too_long=("cut", "ended_early"),  # streams nothing, with status 200
            cannot={"missing_model": "answers by any name"},
        ),
        LiteLLM("litellm", "litellm", "litellm", key=KEY, counted="mocked", answer=MOCKED),
        Transformers(
            "transformers",
            "transformers serve",
            "transformers",
            typed=True,
            cannot={
                "wrong_key": "takes any key",
                "prompt_too_long": "refuses none: it reads on beyond what its model was made for",
            },
        ),
    )
}
