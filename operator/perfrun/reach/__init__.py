"""How a server is reached: name look-up, policies, login.

Shared by the engine, which puts load on servers, and by ``observe``, which only watches them.
"""
