"""The proof: ``python -m generated [count]``, with the folder above as path.

What runs in other processes stands in a module of its own: they cannot import this one.
"""

from __future__ import annotations

from generated.proof import main

if __name__ == "__main__":
    main()
