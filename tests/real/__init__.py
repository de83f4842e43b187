"""Real servers from the package registry, chatted with in a browser: `make try-real`. No part of the tests.

Each is installed into an environment of its own below var/real, started with a model made here, connected on the
provider's page of a real site, and asked, stopped, left and broken; a line for each deed says what was seen. The
first time it takes a quarter of an hour: llama.cpp is compiled.
"""
